// GET /topology: where the topology in use was learned, how each instance stands and why, and what has been routed.

import type {
  InstanceStatus,
  LagStatus,
  ObservedStatus,
  ReplicaManagerStatus,
  ReplicaStatus,
} from '../router/routerStatus.ts';
import { timestampOf } from './guideAnswers.ts';
import { judgeReplicaState, type ReplicaState } from './judgeReplicaState.ts';
import { withoutPasswords } from './withoutPasswords.ts';

export interface TopologyAnswer {
  readonly topology: ReplicaManagerStatus['topology'];
  readonly epoch: number | null;
  readonly generation: number | null;
  readonly timeline: number | null;
  readonly routing: NonNullable<ReplicaManagerStatus['document']>['routing'] | null;
  readonly sources: ReplicaManagerStatus['sources'];
  readonly primary: InstanceAnswer | null;
  /** Why this instance is taken for the primary, or why none is. */
  readonly primaryReason: string | null;
  readonly replicas: readonly ReplicaAnswer[];
  readonly currentReplicaIndex: number | null;
  readonly counters: ReplicaManagerStatus['counters'];
  readonly problems: readonly string[];
  readonly timestamp: string;
}

export interface InstanceAnswer extends Omit<InstanceStatus, 'observed'> {
  /** Null until this process has asked it. */
  readonly observed: ObservedStatus | null;
}

export interface ReplicaAnswer extends InstanceAnswer {
  readonly weight: number;
  readonly lag: LagStatus;
  readonly status: ReplicaState;
  /** Whether reads go there now. */
  readonly isServing: boolean;
  /** Why they do not; null when they do. */
  readonly reason: string | null;
}

export function topologyAnswer(status: ReplicaManagerStatus, at: Date): TopologyAnswer {
  return {
    topology: status.topology,
    epoch: status.epoch,
    generation: status.generation,
    timeline: status.timeline,
    routing: status.document?.routing ?? null,
    sources: status.sources.map((source) => ({
      ...source,
      origin: withoutPasswords(source.origin),
      problems: source.problems.map(withoutPasswords),
    })),
    primary: status.primary === null ? null : instanceAnswer(status.primary),
    primaryReason: status.primaryReason === null ? null : withoutPasswords(status.primaryReason),
    replicas: status.replicas.map((replica) => replicaAnswer(replica, status)),
    currentReplicaIndex: status.currentReplicaIndex,
    counters: status.counters,
    problems: status.problems.map(withoutPasswords),
    timestamp: timestampOf(at),
  };
}

function instanceAnswer(instance: InstanceStatus): InstanceAnswer {
  const { name, host, port, zone, role, connections, observed } = instance;
  return {
    name,
    host,
    port,
    zone,
    role,
    observed:
      observed?.kind === 'failed' ? { ...observed, reason: withoutPasswords(observed.reason) } : observed,
    connections,
  };
}

function replicaAnswer(replica: ReplicaStatus, status: ReplicaManagerStatus): ReplicaAnswer {
  const { verdict, lag } = replica;
  return {
    ...instanceAnswer(replica),
    weight: replica.weight,
    lag: { ...lag, reason: lag.reason === null ? null : withoutPasswords(lag.reason) },
    status: judgeReplicaState(replica, status),
    isServing: verdict.kind === 'serving',
    reason: 'reason' in verdict ? withoutPasswords(verdict.reason) : null,
  };
}
