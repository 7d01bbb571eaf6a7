// Decides where one read goes, from facts alone.
//
// Invariant: a read goes to a replica only when the replica serves (`judgeReplica`) and is known to show what the read needs
// (`refuseReplica`). A replica that has just failed rests, and is asked again only when its rest is over or nobody else is left.
// What a read needs is never given up for an answer: a replica that is merely late may be taken instead of the primary where the
// options say so, but only by reads that need nothing.

import type { PrimaryEndpoint, ReplicaEndpoint } from '../../endpoints/endpointsDocument.ts';
import { noNeeds } from '../consistency/readNeeds.ts';
import { describeAbsence } from './describeReplicas.ts';
import type { ReplicaVerdict } from './judgeReplica.ts';
import { expectedLatencyMs } from './latency.ts';
import { type Candidate, pickReplica } from './pickReplica.ts';
import { type BalanceFacts, primaryOf, type ReadFacts, refusal, replicasOf, verdictOf } from './readFacts.ts';

export type ReadChoice =
  | {
      readonly kind: 'replica';
      readonly endpoint: ReplicaEndpoint;
      /** Everybody it was chosen from, itself included. */
      readonly candidates: readonly Candidate[];
    }
  | {
      readonly kind: 'primary';
      readonly endpoint: PrimaryEndpoint;
      readonly why: string;
      /** Whether it would be on a replica if one could serve it: then it must not take what writes need. */
      readonly isDiverted: boolean;
      /** Whether a replica serves that the read could go to, if it needed less. */
      readonly isReplicaServing: boolean;
    }
  | { readonly kind: 'none'; readonly reason: string };

export function planRead(facts: ReadFacts): ReadChoice {
  const needs = facts.needs ?? noNeeds;
  if (needs.primaryOnly !== null)
    return onPrimary(facts, needs.primaryOnly, !needs.isStrong) ?? nobody(facts);
  return (
    onReplica(ableReplicas('serving', facts), facts) ??
    onLeastLate(facts) ??
    divert(facts) ??
    onReplica(ableReplicas('resting', facts), facts) ??
    nobody(facts)
  );
}

/** Those of the verdict that have not been tried and are known to show what the read needs. Nearly always that is all of them. */
function ableReplicas(kind: ReplicaVerdict['kind'], facts: ReadFacts): readonly ReplicaEndpoint[] {
  const isAble = (replica: ReplicaEndpoint) =>
    verdictOf(replica, facts).kind === kind && refusal(replica.name, facts) === null;
  const untried = untriedReplicas(facts);
  return untried.every(isAble) ? untried : untried.filter(isAble);
}

function untriedReplicas(facts: ReadFacts): readonly ReplicaEndpoint[] {
  const replicas = replicasOf(facts);
  return facts.tried.size === 0 ? replicas : replicas.filter(({ name }) => !facts.tried.has(name));
}

function onReplica(replicas: readonly ReplicaEndpoint[], facts: ReadFacts): ReadChoice | undefined {
  if (replicas.length === 0) return undefined;
  const { balance, turn, needs } = facts;
  if (balance === undefined) {
    const endpoint = replicas[turn % replicas.length];
    return endpoint === undefined ? undefined : { kind: 'replica', endpoint, candidates: [] };
  }
  const all = replicas.map((replica) => asCandidate(replica, balance, facts.nowMs));
  const prefers = needs?.prefers ?? null;
  const preferred = prefers === null ? undefined : all.find(({ endpoint }) => endpoint.name === prefers);
  const candidates = preferred === undefined ? nearby(all, balance) : [preferred];
  const picked = pickReplica(candidates, balance.strategy, balance.random);
  return picked === undefined ? undefined : { kind: 'replica', endpoint: picked.endpoint, candidates };
}

/** A tenth at once: enough to warm up, and to notice when it is not well. */
const firstShare = 0.1;

function asCandidate(endpoint: ReplicaEndpoint, balance: BalanceFacts, nowMs: number): Candidate {
  const load = balance.loads.get(endpoint.name);
  const servesForMs = nowMs - (load?.servingSinceMs ?? nowMs);
  const ramp =
    balance.slowStartMs === 0 ? 1 : Math.min(1, Math.max(firstShare, servesForMs / balance.slowStartMs));
  return {
    endpoint,
    share: ramp * (balance.strategy === 'round-robin' ? 1 : endpoint.weight),
    inFlight: load?.inFlight ?? 0,
    latencyMs: balance.strategy === 'peak-ewma' ? expectedLatencyMs(load?.latency ?? null, nowMs) : null,
    turn: load?.turn ?? 0,
  };
}

function nearby(
  candidates: readonly Candidate[],
  { zone, zoneSpillInFlight }: BalanceFacts,
): readonly Candidate[] {
  if (zone === null) return candidates;
  const own = candidates.filter(({ endpoint }) => endpoint.zone === zone);
  return own.some(({ inFlight }) => inFlight < zoneSpillInFlight) ? own : candidates;
}

/** Instead of the primary where the options say so: staying with the least late one keeps a herd from following the lag around. */
function onLeastLate(facts: ReadFacts): ReadChoice | undefined {
  const { needs = noNeeds, observed } = facts;
  const needsNothing = needs.floor === null && needs.earlierReads.length === 0 && needs.maxAgeMs === null;
  if (facts.whenLate !== 'least-late' || !needsNothing) return undefined;
  const lagMs = ({ name }: ReplicaEndpoint) => {
    const lag = observed?.replicas.get(name)?.lag;
    if (lag === undefined) return Number.POSITIVE_INFINITY;
    return lag.kind === 'known' ? lag.ms : lag.atLeastMs;
  };
  const least = ableReplicas('late', facts)
    .toSorted((left, right) => lagMs(left) - lagMs(right))
    .slice(0, 1);
  return onReplica(least, facts);
}

/**
 * `fallbackToPrimary` speaks of replicas that do not serve. What a read needs is its own wish, and the primary the way to fulfil
 * it; but what overflows from a busy replica never goes there.
 */
function divert(facts: ReadFacts): ReadChoice | undefined {
  if (facts.isOverflow) return undefined;
  const lacking = untriedReplicas(facts).find(
    (replica) => verdictOf(replica, facts).kind === 'serving' && refusal(replica.name, facts) !== null,
  );
  if (lacking !== undefined) return onPrimary(facts, `${lacking.name} ${refusal(lacking.name, facts)}`, true);
  return facts.document.routing.fallbackToPrimary ? onPrimary(facts, 'no replica serves', true) : undefined;
}

function onPrimary(facts: ReadFacts, why: string, isDiverted: boolean): ReadChoice | undefined {
  const endpoint = primaryOf(facts);
  if (endpoint === null || facts.tried.has(endpoint.name)) return undefined;
  const isReplicaServing = untriedReplicas(facts).some((it) => verdictOf(it, facts).kind === 'serving');
  return { kind: 'primary', endpoint, why, isDiverted, isReplicaServing };
}

function nobody(facts: ReadFacts): ReadChoice {
  return { kind: 'none', reason: describeAbsence(facts) };
}
