// Whether a read that would go to the primary should rather wait a moment for a replica. In: the same facts as `planRead`, and what
// it has decided. Out: for how long.
//
// Two things can be missing. Until a sample of the primary covers what the scope has written or seen, no replica is known to be good
// enough; then the next sample, and the next answer of a replica, may tell. Once it is known what a replica must have replayed, its
// speed tells when it will have. Without the first kind of wait a scope that reads all the time would never leave the primary after a
// write: each read of the primary shows something newer that has to be covered in turn.
//
// Invariant: nobody waits longer than the budget, and only for a replica that streams and is expected in time.

import { type Lsn, lagBytes } from '../../postgres/lsn.ts';
import type { ReadChoice } from '../balance/planRead.ts';
import { type ReadFacts, replicasOf, verdictOf } from '../balance/readFacts.ts';
import type { LagView, PrimaryView, ReplicaView } from './lagView.ts';
import { noNeeds, type ReadNeeds } from './readNeeds.ts';

export type WaitPlan =
  | { readonly kind: 'go' }
  | { readonly kind: 'wait'; readonly predictedMs: number; readonly atMostMs: number };

/** 10 MB/s: a tenth of what one core replays. For a replica that has not been seen to replay anything yet. */
export const assumedReplayBytesPerMs = 10_000;

/** An instance is asked no more often than this, however many reads wait for it. */
export const probeGapMs = 250;

/**
 * Of the budget. Reads that come one after the other would else all begin to wait at the very edge of it, where any lateness of a
 * probe makes the wait one in vain.
 */
const expectedPart = 0.5;

const go: WaitPlan = { kind: 'go' };

export function planWait(facts: ReadFacts, choice: ReadChoice, budgetMs: number): WaitPlan {
  const { needs = noNeeds, observed } = facts;
  if (choice.kind !== 'primary' || !choice.isDiverted || budgetMs <= 0) return go;
  if (!needs.wantsProbes || needs.maxAgeMs !== null) return go;
  const primary = observed?.primary ?? null;
  if (observed === undefined || primary === null || !primary.answers) return go;
  const waitsMs = servingViews(facts, observed)
    .filter(({ timeline, isStreaming }) => isStreaming && timeline === primary.timeline)
    .map((replica) => predictMs(replica, primary, needs, facts.nowMs))
    .filter((ms) => ms !== null);
  const predictedMs = Math.min(...waitsMs);
  return predictedMs <= budgetMs * expectedPart ? { kind: 'wait', predictedMs, atMostMs: budgetMs } : go;
}

function servingViews(facts: ReadFacts, { replicas }: LagView): readonly ReplicaView[] {
  return replicasOf(facts)
    .filter((replica) => !facts.tried.has(replica.name) && verdictOf(replica, facts).kind === 'serving')
    .map(({ name }) => replicas.get(name))
    .filter((view) => view !== undefined);
}

/** Until a probe can have told that the replica is there; null when there is no telling. */
function predictMs(
  replica: ReplicaView,
  primary: PrimaryView,
  needs: ReadNeeds,
  nowMs: number,
): number | null {
  if (replica.replayed === null) return null;
  const answerMs = untilNextProbe(replica.observedAtMs, nowMs) + replica.probeMs;
  const lsn = needs.primaryOnly === null ? mustReach(replica.name, needs) : null;
  if (lsn !== null) {
    const replayMs = lagBytes(lsn, replica.replayed) / (replica.replayBytesPerMs ?? assumedReplayBytesPerMs);
    return Math.max(answerMs, replica.observedAtMs + replayMs - nowMs);
  }
  const sampleMs = untilNextProbe(primary.sampledAtMs, nowMs) + primary.probeMs;
  return Math.max(answerMs, sampleMs);
}

function untilNextProbe(lastAtMs: number, nowMs: number): number {
  return Math.max(0, lastAtMs + probeGapMs - nowMs);
}

/** Null when that is not known before the next sample. */
function mustReach(name: string, { floor, earlierReads }: ReadNeeds): Lsn | null {
  let lsn = floor?.lsn ?? null;
  for (const { instance, bound } of earlierReads) {
    if (instance === name) continue;
    if (bound === null) return null;
    if (lsn === null || bound > lsn) lsn = bound;
  }
  return lsn;
}
