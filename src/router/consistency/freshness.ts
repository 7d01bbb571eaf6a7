// Is this replica fresh enough to be read from? A fold over what the probes say of it: previous verdict + one sample → next verdict.
//
// Invariant: one sample in between changes nothing back: a replica that was late has to be well below the limit twice before it is
// read from again, so that one that hovers around the limit does not come and go. What is not measured is not taken for fresh.
//
// The rules, in this order:
// 1. An instance that is no replica of this topology is out at once.
// 2. A lag of `maxLagMs` puts it out, also one that is known only to be at least so long.
// 3. While it does not follow the primary (its receiver is down, or it is on another timeline) it goes out after `maxLagMs` of that.
//    The clock stands still while the primary does not answer: nobody is known to write then, and leaving every replica would only
//    take the reads away during a failover.
// 4. While it follows but its lag is unknown (the primary was not sampled), or it does not answer, the last verdict holds for
//    `graceSamples`. Then who does not answer is out, and so is who is more than `maxUnknownBytes` behind what is known.
//    Who streams and is not stays: leaving it for a primary that does not answer either would help nobody.
//    Who refuses the probe is alive, so its verdict holds also until it may lag by `maxLagMs`, which it cannot do sooner than after
//    that time, less what it lagged by when that was measured last.
// 5. It comes in with the second sample in a row in which it follows and its lag is at most `resumeLagMs`.
//
// It starts in: the document, which has to call it routable as well, knows more than we do before the first sample.

import type { Lag } from './lagView.ts';

export type FreshnessSample =
  | {
      readonly kind: 'measured';
      readonly atMs: number;
      /** Whether WAL of the primary's timeline streams to it. */
      readonly follows: boolean;
      readonly lag: Lag;
      readonly primaryAnswers: boolean;
    }
  | {
      readonly kind: 'silent';
      readonly atMs: number;
      /** As a reason, when it is alive and has refused the probe; else null. */
      readonly refusal: string | null;
    }
  | { readonly kind: 'foreign'; readonly reason: string };

export interface FreshnessLimits {
  readonly maxLagMs: number;
  readonly resumeLagMs: number;
}

export interface Freshness {
  /** Why it should not be read from; null when it may. */
  readonly lateReason: string | null;
  /** Samples in a row at or below the resume lag. */
  readonly freshSamples: number;
  /** Samples in a row without an answer, or without a lag. */
  readonly unknownSamples: number;
  /** How long it has not followed while the primary answered; null when it follows. */
  readonly notFollowingMs: number | null;
  readonly judgedAtMs: number;
  /** It had everything of that time when its lag was measured last, or else from its first silence on; null before both. */
  readonly currentAsOfMs: number | null;
}

/** Two, because one low sample can be the moment before a large transaction is replayed. */
export const samplesToResume = 2;

/** Three probes may be lost, whatever the time between them is. */
export const graceSamples = 3;

/** As GitLab's load balancer: 8 MiB are replayed within a second. Decides only while the time cannot be told. */
export const maxUnknownBytes = 8 * 2 ** 20;

export const initialFreshness: Freshness = {
  lateReason: null,
  freshSamples: 0,
  unknownSamples: 0,
  notFollowingMs: null,
  judgedAtMs: Number.NEGATIVE_INFINITY,
  currentAsOfMs: null,
};

export function judgeFreshness(
  previous: Freshness,
  sample: FreshnessSample,
  limits: FreshnessLimits,
): Freshness {
  switch (sample.kind) {
    case 'foreign':
      return { ...previous, lateReason: sample.reason, freshSamples: 0 };
    case 'silent':
      return judgeSilence(previous, sample, limits);
    case 'measured':
      return judgeMeasured(previous, sample, limits);
  }
}

function judgeSilence(
  previous: Freshness,
  { atMs, refusal }: Extract<FreshnessSample, { kind: 'silent' }>,
  limits: FreshnessLimits,
): Freshness {
  const unknownSamples = previous.unknownSamples + 1;
  const currentAsOfMs = previous.currentAsOfMs ?? atMs;
  const mayBeLate = refusal === null || atMs - currentAsOfMs >= limits.maxLagMs;
  const isOut = unknownSamples > graceSamples && mayBeLate;
  const lateReason = isOut ? (refusal ?? 'has not answered any of the last probes') : previous.lateReason;
  return { ...previous, lateReason, unknownSamples, currentAsOfMs, freshSamples: 0 };
}

type MeasuredSample = Extract<FreshnessSample, { kind: 'measured' }>;

function judgeMeasured(previous: Freshness, sample: MeasuredSample, limits: FreshnessLimits): Freshness {
  const { lag, follows } = sample;
  const notFollowingMs = follows ? null : judgeNotFollowing(previous, sample);
  const isUnknown = lag.kind === 'unknown' && follows;
  const unknownSamples = isUnknown ? previous.unknownSamples + 1 : 0;
  const late = reasonToLeave({ lag, notFollowingMs, unknownSamples }, limits);
  const isFresh = late === null && follows && lag.kind === 'known' && lag.ms <= limits.resumeLagMs;
  const freshSamples = isFresh ? Math.min(samplesToResume, previous.freshSamples + 1) : 0;
  const mayServe = late === null && (previous.lateReason === null || freshSamples >= samplesToResume);
  return {
    lateReason: mayServe ? null : (late ?? previous.lateReason),
    freshSamples,
    unknownSamples,
    notFollowingMs,
    judgedAtMs: sample.atMs,
    currentAsOfMs: lag.kind === 'known' ? sample.atMs - lag.ms : previous.currentAsOfMs,
  };
}

function judgeNotFollowing(previous: Freshness, { atMs, primaryAnswers }: MeasuredSample): number {
  if (previous.notFollowingMs === null) return 0;
  return previous.notFollowingMs + (primaryAnswers ? atMs - previous.judgedAtMs : 0);
}

interface Measured {
  readonly lag: Lag;
  readonly notFollowingMs: number | null;
  readonly unknownSamples: number;
}

function reasonToLeave(
  { lag, notFollowingMs, unknownSamples }: Measured,
  limits: FreshnessLimits,
): string | null {
  const leastMs = lag.kind === 'known' ? lag.ms : lag.atLeastMs;
  if (leastMs >= limits.maxLagMs) return `lags behind by ${limits.maxLagMs / 1000} s or more`;
  if (notFollowingMs !== null && notFollowingMs >= limits.maxLagMs && lag.kind === 'unknown')
    return lag.reason;
  if (unknownSamples > graceSamples && lag.bytes !== null && lag.bytes > maxUnknownBytes) {
    return 'has had an unknown lag for some time';
  }
  return null;
}
