// What the probes have found out about positions, as one value. In: nothing; the lag book makes it. Out: facts for `planRead`.
//
// Invariant: what a view says of a replica was true when it was observed and stays true while the replica runs, because replay
// never goes back. What a restart could undo is forgotten with the first connection that is lost.

import type { LagAnchors } from '../../postgres/lagAnchors.ts';
import type { Lsn } from '../../postgres/lsn.ts';

/** A place in one history. Positions of two timelines cannot be compared. */
export interface Position {
  readonly timeline: number;
  readonly lsn: Lsn;
}

/** How far a replica is behind. What is not measured is unknown, never 0. */
export type Lag =
  | { readonly kind: 'known'; readonly ms: number; readonly bytes: number }
  | {
      readonly kind: 'unknown';
      readonly reason: string;
      /** It is at least so late; 0 when nothing can be said. */
      readonly atLeastMs: number;
      /** Behind the newest position of the primary that is known; null when there is none to compare with. */
      readonly bytes: number | null;
    };

export interface PrimaryView {
  readonly name: string;
  readonly timeline: number;
  /**
   * Samples of all that the primary had put into its log when each began, so that they cover whatever was acknowledged before.
   * Lag is measured against what it had written, which a replica can have.
   */
  readonly covering: LagAnchors;
  /** Whether its last probe was answered, not long ago. */
  readonly answers: boolean;
  /** Start of its newest sample, and how long that took. */
  readonly sampledAtMs: number;
  readonly probeMs: number;
}

export interface ReplicaView {
  readonly name: string;
  readonly timeline: number | null;
  /** What it has replayed for certain; null when that is not known. */
  readonly replayed: Lsn | null;
  /** Start of the probe that said so. */
  readonly observedAtMs: number;
  /** How long that probe took. */
  readonly probeMs: number;
  /** What it had replayed at which time. */
  readonly history: LagAnchors;
  /** Last time at which it may have gone back, by a restart; -Infinity when that has not been seen. */
  readonly lostAtMs: number;
  /** It has everything that was acknowledged until then; null when nothing can be said. */
  readonly freshAsOfMs: number | null;
  readonly lag: Lag;
  /** Why it should not be read from; null when it may. Has a memory, so that it does not change with every sample. */
  readonly lateReason: string | null;
  /** Probes in a row that were not answered, and why the last one was not. */
  readonly failedProbes: number;
  readonly failedAtMs: number;
  readonly failure: string | null;
  /** SQLSTATE with which it refused the last probe, being alive; null when it did not. */
  readonly refusal: string | null;
  readonly isStreaming: boolean;
  /** How fast it replays when it has something to replay; null before anything was seen. */
  readonly replayBytesPerMs: number | null;
  readonly serverVersion: number | null;
}

export interface LagView {
  /** Null while no position of the primary is known. */
  readonly primary: PrimaryView | null;
  readonly replicas: ReadonlyMap<string, ReplicaView>;
}

/** Before the first probe. */
export const nothingObserved: LagView = { primary: null, replicas: new Map() };
