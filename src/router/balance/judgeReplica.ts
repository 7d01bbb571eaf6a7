// Whether a replica serves reads at all, whatever a read may need. In: the document's word, what statements have met, what probes
// have found. Out: one verdict with its reason.
//
// Invariant: a replica that the document calls not routable, or that has weight 0, never serves. Our own findings only take away:
// the document may be a minute and a half old, so what we see late is late, and what it calls late stays out.

import type { ReplicaEndpoint } from '../../endpoints/endpointsDocument.ts';
import { type BackoffBounds, backoffMs } from '../../lib/backoff.ts';
import type { LagView, ReplicaView } from '../consistency/lagView.ts';

/** What statements have found out about an instance. An instance without an entry has not failed. */
export interface Health {
  readonly failures: number;
  /** Monotonic time of the last one. */
  readonly failedAtMs: number;
  /** Monotonic time before which it is left alone. */
  readonly restsUntilMs: number;
  readonly reason: string;
}

/** `late` is what only we have found: the document still calls it routable. */
export type ReplicaVerdict =
  | { readonly kind: 'serving' }
  | { readonly kind: 'resting'; readonly reason: string }
  | { readonly kind: 'late'; readonly reason: string }
  | { readonly kind: 'excluded'; readonly reason: string };

/** One lost probe may be our own process that stood still. */
export const failedProbesToRest = 2;

const serving: ReplicaVerdict = { kind: 'serving' };

/** What keeps a replica from serving, if anything does. `answeredAtMs` is when it last answered a statement. */
export function judgeReplica(
  replica: ReplicaEndpoint,
  health: ReadonlyMap<string, Health>,
  nowMs: number,
  observed?: LagView,
  answeredAtMs = Number.NEGATIVE_INFINITY,
): ReplicaVerdict {
  if (!replica.routable) return { kind: 'excluded', reason: replica.reason ?? 'not routable' };
  if (replica.weight === 0) return { kind: 'excluded', reason: 'has weight 0' };
  const known = health.get(replica.name);
  if (known !== undefined && nowMs < known.restsUntilMs) return { kind: 'resting', reason: known.reason };
  const seen = observed?.replicas.get(replica.name);
  return seen === undefined ? serving : judgeObserved(seen, answeredAtMs);
}

function judgeObserved(seen: ReplicaView, answeredAtMs: number): ReplicaVerdict {
  // Who refuses a probe is alive; for how long it is believed to be fresh is a matter of its lag.
  const isSilent = seen.failedProbes >= failedProbesToRest && seen.refusal === null;
  if (isSilent && answeredAtMs < seen.failedAtMs) {
    return { kind: 'resting', reason: `does not answer probes: ${seen.failure}` };
  }
  return seen.lateReason === null ? serving : { kind: 'late', reason: seen.lateReason };
}

/** Half a second after the first failure, so that a restart is not noticed for long; never over half a minute. */
export const restBounds: BackoffBounds = { firstMs: 500, maxMs: 30_000, jitter: 0.3 };

/** The health of an instance that has failed (once more). `random` in [0, 1). */
export function afterFailure(
  before: Health | undefined,
  reason: string,
  nowMs: number,
  random: number,
): Health {
  const failures = (before?.failures ?? 0) + 1;
  return {
    failures,
    reason,
    failedAtMs: nowMs,
    restsUntilMs: nowMs + backoffMs(failures - 1, restBounds, random),
  };
}
