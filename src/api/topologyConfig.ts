// What the operator tells agents and poolers about their topology: ConfigMap `<name>-config`, key
// `topology.json`. Written by the operator only. It holds settings, never roles: who is primary is
// told by the Lease alone.

export const topologyConfigKey = 'topology.json';

export interface TopologyConfig {
  readonly version: 1;
  readonly topology: { readonly namespace: string; readonly name: string; readonly uid: string };
  /** Identifier of the database system once it is known; null until initdb has run. */
  readonly systemIdentifier: string | null;
  readonly postgres: {
    readonly version: number;
    readonly parameters: Readonly<Record<string, string>>;
    /** Lines of pg_hba.conf that go behind the product's own. */
    readonly hba: readonly string[];
  };
  readonly bootstrap: { readonly database: string; readonly owner: string };
  readonly replication: {
    readonly durability: 'quorum' | 'async';
    readonly whenNoReplica: 'wait' | 'continue';
    readonly maxSlotWalKeepSizeBytes: number;
  };
  readonly failover: {
    readonly leaseSeconds: number;
    readonly maxLagBytes: number;
    readonly delaySeconds: number;
  };
  /** Every instance that should exist, in ordinal order. The first may initialise the topology. */
  readonly instances: readonly { readonly name: string; readonly host: string }[];
  readonly pooler: {
    readonly readWrite: { readonly poolSize: number };
    readonly readOnly: { readonly poolSize: number };
    readonly maxClientConnections: number;
  };
}

/** Reads the document, or throws an error that says what is wrong with it. */
export function parseTopologyConfig(text: string): TopologyConfig {
  const document: unknown = JSON.parse(text);
  if (typeof document !== 'object' || document === null) throw new Error('topology.json is not an object');
  if (!('version' in document) || document.version !== 1) {
    throw new Error(
      'topology.json has a version that this program does not know, update the operator and the instances together',
    );
  }
  return document as TopologyConfig;
}
