// What a router knows about its topology and does with it, in plain values: for people, for health checks and for the
// service.
//
// Invariant: what is not known is null, never 0, and nothing in here is secret.

import type { EndpointsDocument, PrimaryEndpoint, ReplicaEndpoint } from '../endpoints/endpointsDocument.ts';
import { formatLsn } from '../postgres/lsn.ts';
import { type Health, judgeReplica, type ReplicaVerdict } from './balance/judgeReplica.ts';
import type { Lag, LagView } from './consistency/lagView.ts';
import { effectiveDocument } from './effectiveDocument.ts';
import type { FoundPrimary } from './findPrimary.ts';
import type { PoolCounts } from './instancePool.ts';
import type { SwitchoverHold } from './judgeSwitchover.ts';
import type { Observation } from './observation.ts';
import type { TopologySource } from './sources/topologySource.ts';

/** How an instance answered when this process asked it last. */
export type ObservedStatus =
  | {
      readonly kind: 'answered';
      readonly role: 'primary' | 'replica';
      readonly timeline: number | null;
      /** Written (primary) or replayed (replica), as PostgreSQL prints it; null when it has replayed nothing. */
      readonly lsn: string | null;
      readonly isStreaming: boolean;
      readonly serverVersion: number;
      readonly ageMs: number;
    }
  | { readonly kind: 'failed'; readonly reason: string; readonly ageMs: number };

export interface InstanceStatus {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly zone: string | null;
  /** The role that it has for this router; `observed` says what the instance itself answered. */
  readonly role: 'primary' | 'replica';
  /** Null until it has been asked. */
  readonly observed: ObservedStatus | null;
  /** Connections of this process. */
  readonly connections: PoolCounts;
}

/** How far a replica is behind, as this process has measured it; null is unknown. */
export interface LagStatus {
  readonly seconds: number | null;
  readonly bytes: number | null;
  /** Where `seconds` is unknown, what it is at least; 0 when nothing can be said. */
  readonly atLeastSeconds: number;
  /** Why `seconds` is unknown; null when it is known. */
  readonly reason: string | null;
}

export interface ReplicaStatus extends InstanceStatus {
  readonly weight: number;
  readonly lag: LagStatus;
  /** Whether this process reads from it now, and if not, why. */
  readonly verdict: ReplicaVerdict;
}

/** Where the topology in use was learned from. */
export interface SourceStatus {
  /** For people: `file /etc/…`, `environment`, an address. */
  readonly origin: string;
  /** Whether the document in use is from it. */
  readonly isInUse: boolean;
  /** Of its newest document; null before the first. */
  readonly epoch: number | null;
  readonly generation: number | null;
  /** Since it last confirmed what it says; null before the first time. */
  readonly ageMs: number | null;
  /** Why what it says now is not in use; empty when it is. */
  readonly problems: readonly string[];
}

/** Counted since this router was made; null is not counted. */
export interface RouterCounters {
  readonly reads: number | null;
  readonly writes: number | null;
  /** Reads that went to the primary because no replica could take them. */
  readonly fallbacks: number | null;
  /** Reads that went to the primary because no replica was known to have what they must see, while one served. */
  readonly keptOnPrimary: number | null;
  /** Statements that were sent once more. */
  readonly retries: number | null;
  /** Statements that were refused before they were sent. */
  readonly denied: number | null;
  /** Statements that a replica refused and that go to the primary since. */
  readonly learned: number | null;
  /** Tokens of clients that were ignored: forged, cut off, too old, or signed with an unknown key. */
  readonly ignoredTokens: number | null;
}

export interface ReplicaManagerStatus {
  /** Null until the first document. */
  readonly topology: EndpointsDocument['topology'] | null;
  readonly epoch: number | null;
  readonly generation: number | null;
  readonly timeline: number | null;
  readonly primary: InstanceStatus | null;
  /** Why this instance is taken for the primary, or why none is; null when only the document says so. */
  readonly primaryReason: string | null;
  readonly replicas: readonly ReplicaStatus[];
  /** Whether this router may read from replicas at all; false with `USE_READ_REPLICAS=false`. */
  readonly areReplicasEnabled: boolean;
  /** Which of `replicas` the next read goes to, with round robin whose turn it is; null when none or nobody can say. */
  readonly currentReplicaIndex: number | null;
  readonly sources: readonly SourceStatus[];
  readonly counters: RouterCounters;
  /** The document in use; null until the first. */
  readonly document: EndpointsDocument | null;
  /**
   * The document in use as its source has published it, so that its epoch and generation name it. Who the instances say is primary
   * since is in `document` alone.
   */
  readonly published: EndpointsDocument | null;
  /** What a person should mend: why what is mounted now is not in use, and who refuses to be probed. Empty when nothing. */
  readonly problems: readonly string[];
  /** While new writes wait for an announced switchover; absent or null at all other times. */
  readonly switchover?: SwitchoverStatus | null | undefined;
}

export interface SwitchoverStatus {
  readonly id: string;
  readonly from: string | null;
  readonly to: string;
  /** When writes go on in any case. */
  readonly remainingMs: number;
}

/** What the status tells of a topology source. */
export type SourceFacts = Pick<TopologySource, 'origin' | 'problems' | 'topology' | 'confirmedAtMs'>;

export interface StatusFacts {
  readonly document: EndpointsDocument | undefined;
  /** Default: `document` */
  readonly published?: EndpointsDocument | undefined;
  readonly problems: readonly string[];
  readonly health: ReadonlyMap<string, Health>;
  readonly nowMs: number;
  readonly countsOf: (endpoint: PrimaryEndpoint) => PoolCounts;
  /** Default: by `health`, the document and `lagView`. */
  readonly verdictOf?: ((replica: ReplicaEndpoint) => ReplicaVerdict) | undefined;
  /** What was measured; the lag in the document is of when that was published. */
  readonly lagView?: LagView | undefined;
  /** By name of the instance. */
  readonly observations?: ReadonlyMap<string, Observation> | undefined;
  readonly areReplicasEnabled?: boolean | undefined;
  /** Name of the replica that the next read goes to, as far as anybody can say. */
  readonly nextReplica?: string | undefined;
  readonly sources?: readonly (SourceStatus | SourceFacts)[] | undefined;
  /** Who the instances say is primary. Default: as the document says */
  readonly found?: FoundPrimary | undefined;
  readonly counters?: Partial<RouterCounters> | undefined;
  readonly hold?: SwitchoverHold | undefined;
}

export function describeStatus(facts: StatusFacts): ReplicaManagerStatus {
  const { document, health, nowMs } = facts;
  const verdictOf = facts.verdictOf ?? ((replica) => judgeReplica(replica, health, nowMs, facts.lagView));
  const { primary = null, replicas = [], timeline = null } = asFound(facts) ?? {};
  return {
    topology: document?.topology ?? null,
    epoch: document?.epoch ?? null,
    generation: document?.generation ?? null,
    timeline,
    primary: primary === null ? null : describeInstance(primary, 'primary', facts),
    replicas: replicas.map((replica) => ({
      ...describeInstance(replica, 'replica', facts),
      weight: replica.weight,
      lag: describeLag(facts.lagView?.replicas.get(replica.name)?.lag),
      verdict: verdictOf(replica),
    })),
    areReplicasEnabled: facts.areReplicasEnabled ?? replicas.length > 0,
    currentReplicaIndex: indexOf(facts.nextReplica, replicas),
    primaryReason: facts.found?.reason ?? null,
    sources: (facts.sources ?? []).map((source) => describeSource(source, document, nowMs)),
    counters: { ...notCounted, ...facts.counters },
    document: document ?? null,
    published: facts.published ?? document ?? null,
    problems: facts.problems,
    ...describeSwitchover(facts.hold, nowMs),
  };
}

function describeSwitchover(
  hold: SwitchoverHold | undefined,
  nowMs: number,
): Pick<ReplicaManagerStatus, 'switchover'> {
  if (hold === undefined) return {};
  const { id, from, to, untilMs } = hold;
  return { switchover: { id, from, to, remainingMs: Math.max(0, untilMs - nowMs) } };
}

const notCounted: RouterCounters = {
  reads: null,
  writes: null,
  fallbacks: null,
  keptOnPrimary: null,
  retries: null,
  denied: null,
  learned: null,
  ignoredTokens: null,
};

function describeInstance(
  endpoint: PrimaryEndpoint,
  role: InstanceStatus['role'],
  facts: StatusFacts,
): InstanceStatus {
  const { name, host, port, zone } = endpoint;
  const observed = describeObservation(facts.observations?.get(name), facts.nowMs);
  return { name, host, port, zone, role, observed, connections: facts.countsOf(endpoint) };
}

function indexOf(name: string | undefined, replicas: readonly ReplicaEndpoint[]): number | null {
  const index = replicas.findIndex((replica) => replica.name === name);
  return index === -1 ? null : index;
}

function asFound({ document, found, observations = new Map() }: StatusFacts): EndpointsDocument | undefined {
  if (document === undefined || found === undefined) return document;
  return effectiveDocument(document, found, observations);
}

function describeSource(
  source: SourceStatus | SourceFacts,
  inUse: EndpointsDocument | undefined,
  nowMs: number,
): SourceStatus {
  if ('isInUse' in source) return source;
  const { origin, problems, topology, confirmedAtMs } = source;
  const { epoch = null, generation = null } = topology?.document ?? {};
  const isInUse = epoch !== null && epoch === inUse?.epoch && generation === inUse.generation;
  const ageMs = confirmedAtMs === undefined ? null : Math.max(0, nowMs - confirmedAtMs);
  return { origin, isInUse, epoch, generation, ageMs, problems };
}

function describeLag(lag: Lag | undefined): LagStatus {
  if (lag === undefined) {
    return { seconds: null, bytes: null, atLeastSeconds: 0, reason: 'has not been observed' };
  }
  if (lag.kind === 'unknown') {
    const { bytes, atLeastMs, reason } = lag;
    return { seconds: null, bytes, atLeastSeconds: atLeastMs / 1_000, reason };
  }
  const seconds = lag.ms / 1_000;
  return { seconds, bytes: lag.bytes, atLeastSeconds: seconds, reason: null };
}

function describeObservation(observation: Observation | undefined, nowMs: number): ObservedStatus | null {
  if (observation === undefined) return null;
  const { probe } = observation;
  const ageMs = Math.max(0, nowMs - observation.endedAtMs);
  if (probe.kind === 'failed') return { kind: 'failed', reason: probe.reason, ageMs };
  const { role, timeline, isStreaming, serverVersion } = probe;
  const lsn = probe.lsn === null ? null : formatLsn(probe.lsn);
  return { kind: 'answered', role, timeline, lsn, isStreaming, serverVersion, ageMs };
}
