// The topology of a pool whose servers were given in so many words, in the terms of `pg`: how to log in is the driver's to know.

import type { EndpointsDocument } from '../endpoints/endpointsDocument.ts';
import type { Clock } from '../lib/clock.ts';
import { replicaName } from './sources/staticSource.ts';
import type { Topology, TopologySource } from './sources/topologySource.ts';

export interface FixedReplica {
  readonly host: string;
  readonly port?: number | undefined;
  /** Default: `read_replica`, `read_replica_2`, … */
  readonly name?: string | undefined;
  readonly zone?: string | undefined;
  readonly weight?: number | undefined;
}

export class FixedTopology implements TopologySource {
  readonly origin = 'static';
  readonly topology: Topology;
  readonly problems: readonly string[] = [];
  readonly missing = undefined;
  confirmedAtMs: number | undefined;

  constructor(primary: { readonly host: string; readonly port: number }, replicas: readonly FixedReplica[]) {
    const credentials = { username: '', password: '', database: '' };
    this.topology = { document: fixedDocument(primary, replicas), credentials };
  }

  async follow(onChange: (topology: Topology) => void, clock: Clock, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const ended = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.confirmedAtMs = clock.now();
    onChange(this.topology);
    await ended;
  }
}

/** A document of epoch 0. Unlike in one that is published, a host may be a folder of sockets, as for `pg`. */
function fixedDocument(
  primary: { readonly host: string; readonly port: number },
  replicas: readonly FixedReplica[],
): EndpointsDocument {
  return {
    version: 1,
    topology: { namespace: 'static', name: 'static', systemIdentifier: null },
    epoch: 0,
    generation: 0,
    timeline: null,
    publishedAt: '1970-01-01T00:00:00.000Z',
    primary: { name: 'primary', ...primary, zone: null },
    replicas: replicas.map(({ host, port = 5432, name, zone = null, weight = 1 }, index) => ({
      name: name ?? replicaName(index),
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
