// Lag in seconds without comparing clocks. In: positions of the primary with the time at which *we* took them.
// Out: how old the newest of them is that a replica has replayed.
//
// Invariant: the answer is never smaller than the truth. An anchor carries the time at which its probe started, when the
// primary had not yet passed that position, and anchors that are thinned out only make an answer larger.
//
// Why not ask the replica: `now() - pg_last_xact_replay_timestamp()` grows on an idle primary, and "received equals
// replayed" is zero on a replica whose receiver is dead. An anchor is right in both cases.

import type { Lsn } from './lsn.ts';

/** The primary was at `lsn` at monotonic time `at` (milliseconds of whoever keeps the anchors). */
export interface LagAnchor {
  readonly at: number;
  readonly lsn: Lsn;
}

/** Anchors of one primary on one timeline, oldest first, each with a higher position than the one before. */
export interface LagAnchors {
  readonly timeline: number;
  /** When the first sample of this line was taken. It stays while the anchors of an idle primary move forward. */
  readonly since: number;
  readonly anchors: readonly LagAnchor[];
}

/**
 * 240 anchors hold the last two minutes at one sample a second exactly; what is older loses every second anchor as often as
 * needed, so a day of lag is still told to within a few minutes and the memory stays below 20 kB.
 */
export const maxAnchors = 240;

/** No position has been seen yet. */
export const noAnchors: LagAnchors = { timeline: 0, since: 0, anchors: [] };

/**
 * Adds a sample of the primary. Another timeline starts over, because positions of two timelines cannot be compared.
 *
 * While the primary is idle the newest anchor moves forward in time instead of a new one being added: a replica that has
 * replayed it was up to date until then.
 */
export function addLagAnchor(known: LagAnchors, timeline: number, sample: LagAnchor): LagAnchors {
  const last = known.anchors.at(-1);
  if (timeline !== known.timeline || last === undefined) {
    return { timeline, since: sample.at, anchors: [sample] };
  }
  if (sample.at <= last.at || sample.lsn < last.lsn) return known;
  const anchors =
    sample.lsn === last.lsn ? [...known.anchors.slice(0, -1), sample] : thinOut([...known.anchors, sample]);
  return { ...known, anchors };
}

/**
 * Age in milliseconds of the newest anchor that `replayed` covers; 0 when it covers the newest of all.
 *
 * Undefined when it covers none: then it is older than all that is remembered, and only `lagAtLeastMs` can be said.
 */
export function lagByAnchorsMs({ anchors }: LagAnchors, replayed: Lsn, at: number): number | undefined {
  const newest = anchors.at(-1);
  if (newest !== undefined && replayed >= newest.lsn) return 0;
  const covered = anchors.findLast((anchor) => anchor.lsn <= replayed);
  return covered === undefined ? undefined : Math.max(0, at - covered.at);
}

/** How old a position that covers no anchor is at least. It starts at 0 for whoever has just begun to look, and grows. */
export function lagAtLeastMs({ since }: LagAnchors, at: number): number {
  return Math.max(0, at - since);
}

/** The highest position of the primary that is known. */
export function newestPosition(known: LagAnchors): LagAnchor | undefined {
  return known.anchors.at(-1);
}

function thinOut(anchors: readonly LagAnchor[]): readonly LagAnchor[] {
  if (anchors.length <= maxAnchors) return anchors;
  const middle = anchors.length >> 1;
  return anchors.filter((_, index) => index >= middle || index % 2 === 0);
}
