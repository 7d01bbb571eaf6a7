// The numbers that one answer of a replica stands for. In: the primary's samples and the replica's position. Out: lag, age, speed.
//
// Invariant: none of them flatters. A lag is 0 only for a replica that streams and has replayed the newest position of a primary
// that answers; the age counts from the start of the primary's sample, before which everything acknowledged is covered.

import { type LagAnchors, lagAtLeastMs, lagByAnchorsMs, newestPosition } from '../../postgres/lagAnchors.ts';
import { type Lsn, lagBytes } from '../../postgres/lsn.ts';
import type { Lag } from './lagView.ts';

export interface LagFacts {
  /** What the primary had written, by our own clock. */
  readonly written: LagAnchors;
  readonly primaryAnswers: boolean;
  readonly timeline: number;
  readonly replayed: Lsn | null;
  readonly isStreaming: boolean;
  readonly atMs: number;
}

export function measureLag(facts: LagFacts): Lag {
  const { written, primaryAnswers, timeline, replayed, atMs } = facts;
  const unknown = (reason: string, atLeastMs = 0, bytes: number | null = null): Lag => {
    return { kind: 'unknown', reason, atLeastMs, bytes };
  };
  const newest = newestPosition(written);
  if (newest === undefined) return unknown('no position of the primary is known');
  if (timeline !== written.timeline) return unknown(`follows timeline ${timeline}, not ${written.timeline}`);
  if (replayed === null) return unknown('has replayed nothing yet');
  // Of a primary that does not answer it is not known that it writes, so nothing grows older than it was.
  const untilMs = primaryAnswers ? atMs : newest.at;
  const ms = lagByAnchorsMs(written, replayed, untilMs);
  const atLeastMs = ms ?? lagAtLeastMs(written, untilMs);
  const bytes = lagBytes(newest.lsn, replayed);
  if (!facts.isStreaming) return unknown('has no WAL receiver that streams', atLeastMs, bytes);
  if (!primaryAnswers) return unknown('the primary has not answered lately', atLeastMs, bytes);
  if (ms === undefined) return unknown('is behind every position that is known', atLeastMs, bytes);
  return { kind: 'known', ms, bytes };
}

/** Everything acknowledged until then has been replayed; null when that cannot be said of any time. */
export function freshAsOf(covering: LagAnchors, timeline: number, replayed: Lsn | null): number | null {
  if (replayed === null || timeline !== covering.timeline) return null;
  return covering.anchors.findLast(({ lsn }) => lsn <= replayed)?.at ?? null;
}

/** The first sample that was begun at `atMs` or later: whatever had happened by then is in it. */
export function firstSampleFrom(samples: LagAnchors, atMs: number): Lsn | null {
  const { anchors } = samples;
  let first: Lsn | null = null;
  // From the end, because what is asked for is nearly always recent.
  for (let index = anchors.length - 1; index >= 0; index -= 1) {
    const anchor = anchors[index];
    if (anchor === undefined || anchor.at < atMs) break;
    first = anchor.lsn;
  }
  return first;
}

export interface Progress {
  readonly atMs: number;
  readonly replayed: Lsn;
  /** Newest position of the primary that was known then. */
  readonly target: Lsn;
}

/**
 * How fast a replica replays when it has something to replay, in bytes per millisecond.
 *
 * While it does not reach what it had to reach at the sample before, it was busy all the time and the speed is measured. When it
 * does, it may have been idle for most of the time: then it is at least so fast.
 */
export function replaySpeed(known: number | null, before: Progress, after: Progress): number | null {
  const elapsedMs = after.atMs - before.atMs;
  if (elapsedMs <= 0) return known;
  const speed = lagBytes(after.replayed, before.replayed) / elapsedMs;
  if (after.replayed < before.target) return known === null ? speed : (known + speed) / 2;
  return speed === 0 ? known : Math.max(known ?? 0, speed);
}
