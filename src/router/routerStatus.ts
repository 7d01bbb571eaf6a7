import type { EndpointsDocument, PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import { type Health, judgeReplica, type ReplicaVerdict } from './chooseReplica.ts';
import type { PoolCounts } from './instancePool.ts';

export interface InstanceStatus {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly connections: PoolCounts;
}

export interface ReplicaStatus extends InstanceStatus {
  /** Whether this process reads from it now, and if not, why. */
  readonly verdict: ReplicaVerdict;
}

export interface ReplicaManagerStatus {
  /** Null until the first document. */
  readonly topology: EndpointsDocument['topology'] | null;
  readonly epoch: number | null;
  readonly generation: number | null;
  readonly primary: InstanceStatus | null;
  readonly replicas: readonly ReplicaStatus[];
  /** Why what is mounted now is not in use; empty when it is. */
  readonly problems: readonly string[];
}

export interface StatusFacts {
  readonly document: EndpointsDocument | undefined;
  readonly problems: readonly string[];
  readonly health: ReadonlyMap<string, Health>;
  readonly nowMs: number;
  readonly countsOf: (endpoint: PrimaryEndpoint) => PoolCounts;
}

export function describeStatus(facts: StatusFacts): ReplicaManagerStatus {
  const { document, problems, health, nowMs } = facts;
  const instance = (endpoint: PrimaryEndpoint): InstanceStatus => ({
    name: endpoint.name,
    host: endpoint.host,
    port: endpoint.port,
    connections: facts.countsOf(endpoint),
  });
  if (document === undefined) {
    return { topology: null, epoch: null, generation: null, primary: null, replicas: [], problems };
  }
  return {
    topology: document.topology,
    epoch: document.epoch,
    generation: document.generation,
    primary: document.primary === null ? null : instance(document.primary),
    replicas: document.replicas.map((replica) => ({
      ...instance(replica),
      verdict: judgeReplica(replica, health, nowMs),
    })),
    problems,
  };
}
