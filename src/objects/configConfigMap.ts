import { instanceHost, instanceName, objectNames } from '../api/names.ts';
import { effectiveDurability, type ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { type TopologyConfig, topologyConfigKey } from '../api/topologyConfig.ts';
import { parseBytes } from '../lib/quantity.ts';
import { ownedBy } from './ownedBy.ts';

export interface ConfigOptions {
  /** Null until the Lease tells it. */
  readonly systemIdentifier: string | null;
  /** Instances that should exist. They may have gaps: scaling down never takes the primary. */
  readonly ordinals: readonly number[];
}

export function configConfigMap(topology: ReplicatedPostgres, options: ConfigOptions) {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: ownedBy(topology, objectNames(topology.metadata.name).configConfigMap, 'routing'),
    data: { [topologyConfigKey]: `${JSON.stringify(topologyConfig(topology, options), null, 2)}\n` },
  };
}

/** The spec as agents and poolers are told it. */
export function topologyConfig(topology: ReplicatedPostgres, options: ConfigOptions): TopologyConfig {
  const { spec } = topology;
  const { namespace, name, uid } = topology.metadata;
  return {
    version: 1,
    topology: { namespace, name, uid },
    systemIdentifier: options.systemIdentifier,
    postgres: {
      version: spec.postgres.version,
      parameters: spec.postgres.parameters,
      hba: spec.postgres.hba,
    },
    bootstrap: { database: spec.bootstrap.database, owner: spec.bootstrap.owner },
    replication: {
      durability: effectiveDurability(spec),
      whenNoReplica: spec.replication.whenNoReplica,
      maxSlotWalKeepSizeBytes: parseBytes(spec.replication.maxSlotWalKeepSize),
    },
    failover: {
      leaseSeconds: spec.failover.leaseSeconds,
      maxLagBytes: parseBytes(spec.failover.maxLagBytes),
      delaySeconds: spec.failover.delaySeconds,
    },
    instances: options.ordinals
      .toSorted((a, b) => a - b)
      .map((ordinal) => instanceName(name, ordinal))
      .map((instance) => ({ name: instance, host: instanceHost(name, namespace, instance) })),
    pooler: {
      readWrite: { poolSize: spec.pooler.readWrite.poolSize },
      readOnly: { poolSize: spec.pooler.readOnly.poolSize },
      maxClientConnections: spec.pooler.maxClientConnections,
    },
  };
}
