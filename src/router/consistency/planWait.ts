// Whether a read that would go to the primary should rather wait a moment for a replica. In: the same facts as `planRead`, and what
// it has decided. Out: whom to wait for, and for how long.
//
// Invariant: nobody waits longer than the budget, and only for a replica that is known to replay and is expected in time.

import { type Lsn, lagBytes } from '../../postgres/lsn.ts';
import type { ReadChoice } from '../balance/planRead.ts';
import { type ReadFacts, replicasOf, verdictOf } from '../balance/readFacts.ts';
import type { LagView, ReplicaView } from './lagView.ts';
import { noNeeds, type ReadNeeds } from './readNeeds.ts';

export type WaitPlan =
  | { readonly kind: 'go' }
  | {
      readonly kind: 'wait';
      readonly instance: string;
      readonly timeline: number;
      readonly lsn: Lsn;
      readonly predictedMs: number;
      readonly atMostMs: number;
    };

/** 10 MB/s: a tenth of what one core replays. For a replica that has not been seen to replay anything yet. */
export const assumedReplayBytesPerMs = 10_000;

const go: WaitPlan = { kind: 'go' };

export function planWait(facts: ReadFacts, choice: ReadChoice, budgetMs: number): WaitPlan {
  const { needs = noNeeds, observed } = facts;
  if (choice.kind !== 'primary' || !choice.isDiverted || needs.primaryOnly !== null) return go;
  if (budgetMs <= 0 || observed === undefined) return go;
  const serving = replicasOf(facts).filter(
    (replica) => !facts.tried.has(replica.name) && verdictOf(replica, facts).kind === 'serving',
  );
  const waits = serving.map(({ name }) => planFor(name, needs, observed, facts.nowMs, budgetMs));
  return waits.reduce(sooner, go);
}

function planFor(name: string, needs: ReadNeeds, view: LagView, nowMs: number, atMostMs: number): WaitPlan {
  const replica = view.replicas.get(name);
  const timeline = view.primary?.timeline;
  if (replica === undefined || timeline === undefined || replica.timeline !== timeline) return go;
  if (!replica.isStreaming || needs.maxAgeMs !== null) return go;
  const lsn = mustReach(name, needs);
  const predictedMs = lsn === null ? null : predictMs(replica, lsn, nowMs);
  if (lsn === null || predictedMs === null || predictedMs > atMostMs) return go;
  return { kind: 'wait', instance: name, timeline, lsn, predictedMs, atMostMs };
}

/** Null when that is not known, so that no time can be told. */
function mustReach(name: string, { floor, earlierReads }: ReadNeeds): Lsn | null {
  let lsn = floor?.lsn ?? null;
  for (const { instance, bound } of earlierReads) {
    if (instance === name) continue;
    if (bound === null) return null;
    if (lsn === null || bound > lsn) lsn = bound;
  }
  return lsn;
}

/** Until a probe can have told that it is there. */
function predictMs(replica: ReplicaView, lsn: Lsn, nowMs: number): number | null {
  if (replica.replayed === null) return null;
  const speed = replica.replayBytesPerMs ?? assumedReplayBytesPerMs;
  const replayMs = lagBytes(lsn, replica.replayed) / speed;
  return Math.max(0, replica.observedAtMs + replayMs - nowMs) + replica.probeMs;
}

function sooner(left: WaitPlan, right: WaitPlan): WaitPlan {
  if (left.kind === 'go') return right;
  return right.kind === 'wait' && right.predictedMs < left.predictedMs ? right : left;
}
