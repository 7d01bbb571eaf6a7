// The topology of a pool whose servers were given in so many words, in the terms of `pg`: how to log in is the driver's to know.

import type { EndpointsDocument, ReplicaEndpoint } from '../endpoints/endpointsDocument.ts';
import type { Clock } from '../lib/clock.ts';
import { RouterError } from './routerError.ts';
import { replicaName, sharedAddresses } from './sources/staticSource.ts';
import type { Topology, TopologySource } from './sources/topologySource.ts';
import { findUnknownNames, type NamesOf } from './unknownNames.ts';

export interface FixedReplica {
  readonly host: string;
  readonly port?: number | undefined;
  /** Default: `read_replica`, `read_replica_2`, … */
  readonly name?: string | undefined;
  readonly zone?: string | undefined;
  readonly weight?: number | undefined;
}

const replicaNames: NamesOf<FixedReplica> = { host: true, port: true, name: true, zone: true, weight: true };

export class FixedTopology implements TopologySource {
  readonly origin = 'static';
  readonly topology: Topology;
  readonly problems: readonly string[] = [];
  readonly missing = undefined;
  confirmedAtMs: number | undefined;

  /** @throws RouterError `RPG_CONFIG_INVALID` with everything that is wrong with the replicas; the primary is the driver's to judge */
  constructor(primary: { readonly host: string; readonly port: number }, replicas: readonly FixedReplica[]) {
    const credentials = { username: '', password: '', database: '' };
    const document = fixedDocument(primary, replicas);
    const problems = findFixedProblems(primary, replicas);
    if (problems.length > 0) throw new RouterError('RPG_CONFIG_INVALID', problems.join('; '));
    this.topology = { document, credentials };
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

/** Everything that is wrong with the replicas, also of a caller without types. */
export function findFixedProblems(
  primary: { readonly host: string; readonly port: number },
  replicas: readonly FixedReplica[],
): string[] {
  if (!Array.isArray(replicas)) return ['replicas must be a list of { host, port }'];
  return [
    ...replicas.flatMap((it, index) => findUnknownNames(it, replicaNames, `replicas[${index}]`)),
    ...findProblems(fixedDocument(primary, replicas)),
  ];
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
    replicas: replicas.map((it, index) => fixedReplica(it ?? {}, index)),
    poolers: { readWrite: null, readOnly: null },
    routing: { maxLagSeconds: 10, resumeLagSeconds: 5, fallbackToPrimary: true },
  };
}

function fixedReplica(
  { host, port = 5432, name, zone, weight = 1 }: FixedReplica,
  index: number,
): ReplicaEndpoint {
  return {
    name: name ?? replicaName(index),
    host,
    port,
    zone: zone ?? null,
    weight,
    routable: true,
    reason: null,
    lagSeconds: null,
    lagBytes: null,
  };
}

/** Two of one name would be taken for one another: what the one says of itself for what the other is. */
function findProblems(document: EndpointsDocument): string[] {
  const seen = new Set([document.primary?.name]);
  const problems = document.replicas.flatMap(({ name, host, port, weight }, index) => {
    const about = `replicas[${index}]`;
    const isNameTaken = seen.has(name);
    seen.add(name);
    return [
      ...(typeof host === 'string' && host !== '' ? [] : [`${about}.host must be a host, not ${host}`]),
      ...(Number.isInteger(port) && port >= 1 && port <= 65_535
        ? []
        : [`${about}.port must be a port number from 1 to 65535, not ${port}`]),
      ...(weight >= 0 && weight < Number.POSITIVE_INFINITY
        ? []
        : [`${about}.weight must be a number from 0 on, not ${weight}`]),
      ...(isNameTaken ? [`${about}.name must be a name of its own, not ${name}`] : []),
    ];
  });
  return [...problems, ...sharedAddresses(document)];
}
