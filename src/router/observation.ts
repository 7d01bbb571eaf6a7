// What this process has seen of an instance by asking it. All times are of our own monotonic clock.

import type { SwitchoverAnnouncement } from '../endpoints/endpointsDocument.ts';
import type { Lsn } from '../postgres/lsn.ts';

export interface AnsweredProbe {
  readonly kind: 'answered';
  readonly role: 'primary' | 'replica';
  /** Null where the role may not ask for it, as on many managed servers. */
  readonly systemIdentifier: string | null;
  /** Null where the role may not ask for it; then nothing can be said about which of two primaries is the newer one. */
  readonly timeline: number | null;
  /** Written (primary) or replayed (replica); null on a replica that has replayed nothing yet. */
  readonly lsn: Lsn | null;
  /**
   * Inserted (primary); null on a replica. At or after the end of every commit that was acknowledged before the probe started,
   * also with `synchronous_commit = off`, where `lsn` may be before it. What replicas can have received is `lsn`: the last
   * inserted bytes of an idle primary may stay unwritten for 15 s, so lag must not be judged by this one.
   */
  readonly insertedLsn?: Lsn | null | undefined;
  /** A text that two instances have in common only when they are one server reached by two addresses; null when unknown. */
  readonly server?: string | null | undefined;
  /** What a primary announces of the end of its time. Of a replica it is nothing: a clone may have copied the setting. */
  readonly switchover?: SwitchoverAnnouncement | null | undefined;
  /** Whether a replica's receiver streams; true on a primary. */
  readonly isStreaming: boolean;
  /** As `server_version_num`: 170004. */
  readonly serverVersion: number;
}

export interface FailedProbe {
  readonly kind: 'failed';
  readonly reason: string;
  /** SQLSTATE with which a server that is alive has refused; undefined when nothing of the kind was heard. */
  readonly refusal?: string | undefined;
  /** Whether nothing at all was heard in time. */
  readonly isSilent?: boolean | undefined;
}

export interface Observation {
  /** Name of the instance in the endpoints document. */
  readonly instance: string;
  /** A position in the answer was true at some time between these two. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly probe: AnsweredProbe | FailedProbe;
}
