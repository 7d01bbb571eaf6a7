// What this process has seen of an instance by asking it. All times are of our own monotonic clock.

import type { Lsn } from '../postgres/lsn.ts';

export interface AnsweredProbe {
  readonly kind: 'answered';
  readonly role: 'primary' | 'replica';
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** Written (primary) or replayed (replica); null on a replica that has replayed nothing yet. */
  readonly lsn: Lsn | null;
  /**
   * Put into the log (`pg_current_wal_insert_lsn`), of a primary. It is ahead of what is written by commits that did not wait for
   * it (`synchronous_commit = off`); without it such commits are not covered by a sample.
   */
  readonly insertedLsn?: Lsn | null | undefined;
  /** Whether a replica's receiver streams; true on a primary. */
  readonly isStreaming: boolean;
  /** As `server_version_num`: 170004. */
  readonly serverVersion: number;
}

export interface FailedProbe {
  readonly kind: 'failed';
  readonly reason: string;
}

export interface Observation {
  /** Name of the instance in the endpoints document. */
  readonly instance: string;
  /** A position in the answer was true at some time between these two. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly probe: AnsweredProbe | FailedProbe;
}
