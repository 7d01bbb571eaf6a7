// What is remembered of one replica from probe to probe. A fold: record + what a probe said → record.
//
// Invariant: a position that a restart may have undone is not in the record. A failed probe and a broken connection may be the
// first sign of one; a position lower than the one before is proof.

import { addLagAnchor, type LagAnchors, newestPosition, noAnchors } from '../../postgres/lagAnchors.ts';
import type { Lsn } from '../../postgres/lsn.ts';
import type { AnsweredProbe, FailedProbe, Observation } from '../observation.ts';
import { describeRefusal } from '../probeRefusal.ts';
import {
  type Freshness,
  type FreshnessLimits,
  type FreshnessSample,
  graceSamples,
  initialFreshness,
  judgeFreshness,
} from './freshness.ts';
import type { Lag, ReplicaView } from './lagView.ts';
import { measureLag, type Progress, replaySpeed } from './measureLag.ts';

export interface ReplicaRecord {
  readonly view: Omit<ReplicaView, 'freshAsOfMs' | 'lateReason'>;
  readonly freshness: Freshness;
  readonly progress: Progress | null;
  /** Answers since the primary was sampled last, and samples of the primary since the last answer. */
  readonly answersSincePrimary: number;
  readonly primarySamplesSince: number;
}

export interface KnownPrimary {
  readonly written: LagAnchors;
  readonly answers: boolean;
}

export function newRecord(name: string): ReplicaRecord {
  const never = Number.NEGATIVE_INFINITY;
  return {
    view: {
      name,
      timeline: null,
      replayed: null,
      observedAtMs: never,
      probeMs: 0,
      history: noAnchors,
      lostAtMs: never,
      lag: unmeasured('has not been observed'),
      failedProbes: 0,
      failedAtMs: never,
      failure: null,
      refusal: null,
      isStreaming: false,
      replayBytesPerMs: null,
      serverVersion: null,
    },
    freshness: initialFreshness,
    progress: null,
    answersSincePrimary: 0,
    primarySamplesSince: 0,
  };
}

/** It may have been restarted until `lostAtMs`. */
export function withoutPosition(record: ReplicaRecord, lostAtMs: number): ReplicaRecord {
  const { view } = record;
  const lost = { replayed: null, history: noAnchors, lostAtMs: Math.max(view.lostAtMs, lostAtMs) };
  return { ...record, view: { ...view, ...lost }, progress: null };
}

export function afterSilence(
  before: ReplicaRecord,
  { reason: failure, refusal: sqlState }: FailedProbe,
  atMs: number,
  limits: FreshnessLimits,
): ReplicaRecord {
  const record = withoutPosition(before, atMs);
  const failedProbes = record.view.failedProbes + 1;
  const refusal = sqlState === undefined ? null : describeRefusal(sqlState, failure);
  const lag = unmeasured(refusal ?? 'does not answer probes');
  return {
    ...record,
    view: { ...record.view, lag, failure, refusal: sqlState ?? null, failedProbes, failedAtMs: atMs },
    freshness: judgeFreshness(record.freshness, { kind: 'silent', atMs, refusal }, limits),
  };
}

/** It answers, but is no replica of this topology. */
export function afterForeignAnswer(
  before: ReplicaRecord,
  reason: string,
  atMs: number,
  limits: FreshnessLimits,
): ReplicaRecord {
  const record = withoutPosition(before, atMs);
  return {
    ...record,
    view: { ...record.view, lag: unmeasured(reason), failure: null, refusal: null, failedProbes: 0 },
    freshness: judgeFreshness(record.freshness, { kind: 'foreign', reason }, limits),
  };
}

export function afterAnswer(
  record: ReplicaRecord,
  probe: AnsweredProbe,
  { startedAtMs, endedAtMs }: Observation,
  primary: KnownPrimary,
  limits: FreshnessLimits,
): ReplicaRecord {
  const { view } = record;
  const { isStreaming } = probe;
  // What a replica may not tell is taken to be that of the primary, from which it streams.
  const timeline = probe.timeline ?? primary.written.timeline;
  // An answer that was on its way when a connection broke may be of the time before.
  const replayed = startedAtMs <= view.lostAtMs ? null : probe.lsn;
  const hasGoneBack = isBelow(replayed, view.history, timeline);
  const answersSincePrimary = record.answersSincePrimary + 1;
  const primaryAnswers = primary.answers && answersSincePrimary <= graceSamples;
  const { written } = primary;
  const lag = measureLag({ written, primaryAnswers, timeline, replayed, isStreaming, atMs: endedAtMs });
  const follows = isStreaming && (timeline === written.timeline || newestPosition(written) === undefined);
  const sample: FreshnessSample = { kind: 'measured', atMs: endedAtMs, follows, lag, primaryAnswers };
  const progress = progressOf(replayed, newestPosition(written)?.lsn, startedAtMs);
  return {
    view: {
      ...view,
      timeline,
      replayed,
      isStreaming,
      lag,
      observedAtMs: startedAtMs,
      probeMs: endedAtMs - startedAtMs,
      history: extended(hasGoneBack ? noAnchors : view.history, timeline, replayed, startedAtMs),
      lostAtMs: hasGoneBack ? endedAtMs : view.lostAtMs,
      failedProbes: 0,
      failure: null,
      refusal: null,
      replayBytesPerMs: speedAfter(record, hasGoneBack ? null : progress),
      serverVersion: probe.serverVersion,
    },
    freshness: judgeFreshness(record.freshness, sample, limits),
    progress,
    answersSincePrimary,
    primarySamplesSince: 0,
  };
}

/** Nothing can be said. */
export function unmeasured(reason: string): Lag {
  return { kind: 'unknown', reason, atLeastMs: 0, bytes: null };
}

function isBelow(replayed: Lsn | null, history: LagAnchors, timeline: number): boolean {
  const last = newestPosition(history);
  return last !== undefined && history.timeline === timeline && (replayed === null || replayed < last.lsn);
}

function extended(history: LagAnchors, timeline: number, replayed: Lsn | null, at: number): LagAnchors {
  return replayed === null ? history : addLagAnchor(history, timeline, { at, lsn: replayed });
}

function progressOf(replayed: Lsn | null, target: Lsn | undefined, atMs: number): Progress | null {
  return replayed === null || target === undefined ? null : { atMs, replayed, target };
}

function speedAfter({ view, progress: before }: ReplicaRecord, after: Progress | null): number | null {
  const known = view.replayBytesPerMs;
  return before === null || after === null ? known : replaySpeed(known, before, after);
}
