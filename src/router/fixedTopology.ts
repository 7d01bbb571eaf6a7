// A topology that was given in so many words, for servers that nobody publishes a document about.

import type { EndpointsDocument } from '../endpoints/endpointsDocument.ts';
import type { Clock } from '../lib/clock.ts';
import type { Topology } from './topologySource.ts';

/** What the router needs of a source. */
export interface TopologyFeed {
  readonly topology: Topology | undefined;
  readonly problems: readonly string[];
  follow(clock: Clock, signal: AbortSignal): Promise<void>;
  ready(clock: Clock, signal: AbortSignal): Promise<void>;
}

export class FixedTopology implements TopologyFeed {
  readonly topology: Topology;
  readonly problems: readonly string[] = [];
  readonly #onChange: (topology: Topology) => void;

  constructor(topology: Topology, onChange: (topology: Topology) => void) {
    this.topology = topology;
    this.#onChange = onChange;
  }

  async follow(): Promise<void> {
    this.#onChange(this.topology);
  }

  async ready(): Promise<void> {}
}

export interface FixedReplica {
  readonly host: string;
  readonly port?: number | undefined;
  /** Default: `<host>:<port>` */
  readonly name?: string | undefined;
  readonly zone?: string | undefined;
  readonly weight?: number | undefined;
}

/** A document of epoch 0 about servers that are only known by their addresses. */
export function fixedDocument(
  primary: { readonly host: string; readonly port: number },
  replicas: readonly FixedReplica[],
): EndpointsDocument {
  return {
    version: 1,
    topology: { namespace: 'local', name: 'postgres', systemIdentifier: null },
    epoch: 0,
    generation: 0,
    timeline: null,
    publishedAt: new Date(0).toISOString(),
    primary: { name: 'primary', ...primary, zone: null },
    replicas: replicas.map(({ host, port = 5432, name = `${host}:${port}`, zone = null, weight = 1 }) => ({
      name,
      host,
      port,
      zone,
      weight,
      routable: true,
      reason: null,
      lagSeconds: null,
      lagBytes: null,
    })),
    poolers: { readWrite: null, readOnly: null },
    routing: { maxLagSeconds: 10, resumeLagSeconds: 5, fallbackToPrimary: true },
  };
}
