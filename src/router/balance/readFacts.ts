// Everything that the choice of an instance for one read may know, and the two questions asked of it over and over.

import type {
  EndpointsDocument,
  PrimaryEndpoint,
  ReplicaEndpoint,
} from '../../endpoints/endpointsDocument.ts';
import { type LagView, nothingObserved } from '../consistency/lagView.ts';
import { noNeeds, type ReadNeeds, refuseReplica } from '../consistency/readNeeds.ts';
import { type Health, judgeReplica, type ReplicaVerdict } from './judgeReplica.ts';
import type { Latency } from './latency.ts';
import type { Strategy } from './pickReplica.ts';

/** What is known of the load of one replica. */
export interface ReplicaLoad {
  readonly inFlight: number;
  readonly latency: Latency | null;
  readonly turn: number;
  /** Since when it has served without a break. */
  readonly servingSinceMs: number;
  /** When it last answered a statement. */
  readonly answeredAtMs: number;
}

export interface BalanceFacts {
  readonly strategy: Strategy;
  /** Where this process runs; null when it does not matter. */
  readonly zone: string | null;
  /** The replicas of the own zone are left for others when each of them has so many reads under way. */
  readonly zoneSpillInFlight: number;
  /** A replica that comes (back) gets its full share only after this, so that its cold caches do not make every second read slow. */
  readonly slowStartMs: number;
  readonly loads: ReadonlyMap<string, ReplicaLoad>;
  /** In [0, 1), drawn for this read. */
  readonly random: number;
}

export interface ReadFacts {
  readonly document: EndpointsDocument;
  /** The true one, when it is known better than by the document. */
  readonly primary?: PrimaryEndpoint | null | undefined;
  /** By name of the instance. */
  readonly health: ReadonlyMap<string, Health>;
  /** Names of the instances that this read has been to. */
  readonly tried: ReadonlySet<string>;
  /** Number of this read, the same for all its attempts. Decides among replicas without `balance`. */
  readonly turn: number;
  /** A replica had no connection free. What overflows from replicas must not drown the primary. */
  readonly isOverflow: boolean;
  readonly nowMs: number;
  /** What the probes have found. Without it the document's word is all there is. */
  readonly observed?: LagView | undefined;
  /** What the read must be able to see. Without it, what any serving replica shows. */
  readonly needs?: ReadNeeds | undefined;
  readonly balance?: BalanceFacts | undefined;
  /** Where a read without needs goes when every replica is late: the primary (default), or the replica that is least late. */
  readonly whenLate?: WhenLate | undefined;
}

export type WhenLate = 'primary' | 'least-late';

/** The primary of a read: the one that is known by asking, else the document's. */
export function primaryOf({ primary, document }: ReadFacts): PrimaryEndpoint | null {
  return primary === undefined ? document.primary : primary;
}

/** The replicas of the document, without one that has become the primary. */
export function replicasOf(facts: ReadFacts): readonly ReplicaEndpoint[] {
  const name = facts.primary?.name;
  const { replicas } = facts.document;
  // The true primary is nearly always the document's, and then it is not among the replicas.
  if (name === undefined || name === facts.document.primary?.name) return replicas;
  return replicas.filter((replica) => replica.name !== name);
}

export function verdictOf(replica: ReplicaEndpoint, facts: ReadFacts): ReplicaVerdict {
  const answeredAtMs = facts.balance?.loads.get(replica.name)?.answeredAtMs;
  return judgeReplica(replica, facts.health, facts.nowMs, facts.observed, answeredAtMs);
}

/** Why what a read needs keeps it from this replica; null when it does not. */
export function refusal(name: string, { needs = noNeeds, observed, nowMs }: ReadFacts): string | null {
  return refuseReplica(name, needs, observed ?? nothingObserved, nowMs);
}
