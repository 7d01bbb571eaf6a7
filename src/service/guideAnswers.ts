// The five answers that the guide describes: status of the router in, JSON out. Keys, types and their order are the
// guide's.
//
// Invariant: what is not known never looks healthy, also to a script that compares `maxLag` with a threshold. Shells
// take null and words for 0, so an unknown lag counts as `unknownLagSeconds` in `maxLag` and `avgLag`.

import type { PoolCounts } from '../router/instancePool.ts';
import type { ReplicaManagerStatus, ReplicaStatus } from '../router/routerStatus.ts';
import { judgeReplicaState, type ReplicaState } from './judgeReplicaState.ts';

/** 68 years: over every threshold, and an ordinary number in every shell and language. */
export const unknownLagSeconds = 2 ** 31 - 1;

export interface HealthAnswer {
  readonly healthy: boolean;
  readonly replicas: readonly { readonly name: string; readonly healthy: boolean }[];
  readonly timestamp: string;
}

export interface StatsAnswer {
  readonly replicaCount: number;
  readonly currentReplicaIndex: number | null;
  readonly replicas: Readonly<
    Record<string, { readonly status: ReplicaState; readonly connectionCount: number }>
  >;
}

export interface LagAnswer {
  readonly replicas: readonly {
    readonly name: string;
    readonly lagSeconds: number | null;
    readonly status: ReplicaState;
  }[];
  readonly maxLag: number;
  readonly avgLag: number;
  readonly timestamp: string;
}

export interface PoolAnswer {
  readonly total_connections: number;
  readonly active_connections: number;
  readonly idle_connections: number;
}

export interface PoolStatsAnswer {
  readonly primary: PoolAnswer;
  readonly replicas: Readonly<Record<string, PoolAnswer>>;
  readonly timestamp: string;
}

export interface InfoAnswer {
  readonly primaryConnected: boolean;
  readonly replicasEnabled: boolean;
  readonly replicaCount: number;
  readonly hasReadReplicas: boolean;
  readonly timestamp: string;
}

/** Healthy is a known topology of which every replica serves reads. */
export function healthAnswer(status: ReplicaManagerStatus, at: Date): HealthAnswer {
  const replicas = status.replicas.map((replica) => ({
    name: replica.name,
    healthy: judgeReplicaState(replica, status) === 'healthy',
  }));
  return {
    healthy: status.topology !== null && replicas.every(({ healthy }) => healthy),
    replicas,
    timestamp: timestampOf(at),
  };
}

export function statsAnswer(status: ReplicaManagerStatus): StatsAnswer {
  const about = (replica: ReplicaStatus) => ({
    status: judgeReplicaState(replica, status),
    connectionCount: replica.connections.total,
  });
  return {
    replicaCount: status.replicas.length,
    currentReplicaIndex: status.currentReplicaIndex,
    replicas: Object.fromEntries(status.replicas.map((replica) => [replica.name, about(replica)])),
  };
}

/** With no replica there is nothing that could lag, so both figures are 0 – but only once the topology is known. */
export function lagAnswer(status: ReplicaManagerStatus, at: Date): LagAnswer {
  const replicas = status.replicas.map((replica) => {
    const state = judgeReplicaState(replica, status);
    const lagSeconds = replica.lag.seconds === null ? null : rounded(replica.lag.seconds);
    return { name: replica.name, lagSeconds, status: lagSeconds === null ? worseThanUnknown(state) : state };
  });
  const lags = replicas.map(({ lagSeconds }) => lagSeconds ?? unknownLagSeconds);
  const isKnown = status.topology !== null && !lags.includes(unknownLagSeconds);
  const sum = lags.reduce((total, lag) => total + lag, 0);
  return {
    replicas,
    maxLag: isKnown ? Math.max(0, ...lags) : unknownLagSeconds,
    avgLag: isKnown ? rounded(sum / Math.max(1, lags.length)) : unknownLagSeconds,
    timestamp: timestampOf(at),
  };
}

/** Of a replica whose lag is not known, only bad news stands. */
function worseThanUnknown(state: ReplicaState): ReplicaState {
  return state === 'healthy' ? 'unknown' : state;
}

export function poolStatsAnswer(status: ReplicaManagerStatus, at: Date): PoolStatsAnswer {
  return {
    primary: poolAnswer(status.primary?.connections ?? { total: 0, idle: 0, waiting: 0 }),
    replicas: Object.fromEntries(
      status.replicas.map(({ name, connections }) => [name, poolAnswer(connections)]),
    ),
    timestamp: timestampOf(at),
  };
}

function poolAnswer({ total, idle }: PoolCounts): PoolAnswer {
  return { total_connections: total, active_connections: total - idle, idle_connections: idle };
}

export function infoAnswer(status: ReplicaManagerStatus, hasReadReplicas: boolean, at: Date): InfoAnswer {
  return {
    primaryConnected: isPrimaryConnected(status),
    replicasEnabled: status.areReplicasEnabled,
    replicaCount: status.replicas.length,
    hasReadReplicas,
    timestamp: timestampOf(at),
  };
}

/** Whether it answered as a primary when it was asked last, or, where nobody asks, a connection to it is open. */
export function isPrimaryConnected({ primary }: ReplicaManagerStatus): boolean {
  if (primary === null) return false;
  const { observed, connections } = primary;
  if (observed === null) return connections.total > 0;
  return observed.kind === 'answered' && observed.role === 'primary';
}

/** RFC 3339 in UTC with whole seconds, as in the guide. */
export function timestampOf(at: Date): string {
  return at.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** A lag is measured to some hundred milliseconds, so digits behind the third mean nothing. */
function rounded(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}
