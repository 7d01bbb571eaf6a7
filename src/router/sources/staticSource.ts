// Fixed addresses: from code, or from the environment. They become an endpoints document of epoch 0 and generation 0, so that
// everything behind a source is one path. What only an operator knows (system identifier, timeline, lag) is null in it.

import type {
  EndpointsDocument,
  PrimaryEndpoint,
  ReplicaEndpoint,
} from '../../endpoints/endpointsDocument.ts';
import { EndpointsParseError, parseEndpoints } from '../../endpoints/parseEndpoints.ts';
import type { Clock } from '../../lib/clock.ts';
import { RouterError } from '../routerError.ts';
import { findUnknownNames, type NamesOf } from '../unknownNames.ts';
import type { Credentials } from './credentialsDirectory.ts';
import type { Topology, TopologySource } from './topologySource.ts';

export interface StaticInstance {
  readonly host: string;
  /** Default: 5432 */
  readonly port?: number | undefined;
  /** Default: `primary`, `read_replica`, `read_replica_2`, … */
  readonly name?: string | undefined;
  readonly zone?: string | undefined;
  /** Share of the reads relative to the other replicas; 0 takes none. Default: 1 */
  readonly weight?: number | undefined;
  /** Default: those of the primary */
  readonly credentials?: Credentials | undefined;
}

export interface StaticTopology {
  /** What status and messages call it. Default: `static` */
  readonly name?: string | undefined;
  /** Its `credentials` hold for all; without them those of the replica manager or of the pool do. */
  readonly primary: StaticInstance;
  readonly replicas?: readonly StaticInstance[] | undefined;
  /** Default: out at 10 s of lag, in again at 5 s, reads on the primary when no replica serves. */
  readonly routing?: Partial<EndpointsDocument['routing']> | undefined;
  /** For people, in the status: `static` or `environment`. */
  readonly origin?: string | undefined;
  /** What is odd about it and yet no mistake. */
  readonly remarks?: readonly string[] | undefined;
}

/** @throws RouterError `RPG_CONFIG_INVALID` when it makes no valid endpoints document */
export function staticSource(options: StaticTopology): TopologySource {
  return new StaticSource(options.origin ?? 'static', readStaticTopology(options), options.remarks ?? []);
}

/** Stands for the login of a topology that names none. */
const noLogin: Credentials = { username: '', password: '', database: '' };

/** Whether it is of fixed addresses that came without credentials. */
export function lacksLogin({ topology }: TopologySource): boolean {
  return topology?.credentials === noLogin;
}

/** The same source, with the login if it has none of its own. */
export function withLogin(source: TopologySource, credentials: Credentials): TopologySource {
  if (!lacksLogin(source) || !(source instanceof StaticSource)) return source;
  return new StaticSource(source.origin, { ...source.topology, credentials }, source.problems);
}

class StaticSource implements TopologySource {
  readonly origin: string;
  readonly topology: Topology;
  readonly problems: readonly string[];
  readonly missing = undefined;
  #followedBy: Clock | undefined;

  constructor(origin: string, topology: Topology, remarks: readonly string[]) {
    this.origin = origin;
    this.topology = topology;
    this.problems = remarks;
  }

  /** It cannot become wrong by waiting. */
  get confirmedAtMs(): number | undefined {
    return this.#followedBy?.now();
  }

  async follow(onChange: (topology: Topology) => void, clock: Clock, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#followedBy = clock;
    const ended = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    // Whoever listens is to mend this; there is nobody here to tell.
    try {
      onChange(this.topology);
    } catch {}
    await ended;
  }
}

/** The topology that fixed addresses stand for. */
export function readStaticTopology(options: StaticTopology): Topology {
  const problems = findStaticProblems(options);
  if (problems.length > 0) throw new RouterError('RPG_CONFIG_INVALID', problems.join('; '));
  const primary = { ...options.primary, name: options.primary.name ?? 'primary' };
  const replicas = (options.replicas ?? []).map((it, index) => ({
    ...it,
    name: it.name ?? replicaName(index),
  }));
  const own = replicas.flatMap(({ name, credentials }) =>
    credentials === undefined ? [] : [[name, credentials] as const],
  );
  return {
    document: readDocument(options, primary, replicas),
    credentials: options.primary.credentials ?? noLogin,
    ...(own.length === 0 ? {} : { credentialsByName: new Map(own) }),
  };
}

const topologyNames: NamesOf<StaticTopology> = {
  name: true,
  primary: true,
  replicas: true,
  routing: true,
  origin: true,
  remarks: true,
};
const instanceNames: NamesOf<StaticInstance> = {
  host: true,
  port: true,
  name: true,
  zone: true,
  weight: true,
  credentials: true,
};
const routingNames: NamesOf<EndpointsDocument['routing']> = {
  maxLagSeconds: true,
  resumeLagSeconds: true,
  fallbackToPrimary: true,
};

function findStaticProblems({ primary, replicas = [], routing = {}, ...others }: StaticTopology): string[] {
  return [
    ...findUnknownNames(others, topologyNames, 'staticSource'),
    ...findUnknownNames(primary, instanceNames, 'primary'),
    ...replicas.flatMap((it, index) => findUnknownNames(it, instanceNames, `replicas[${index}]`)),
    ...findUnknownNames(routing, routingNames, 'routing'),
  ];
}

/** The guide's name for its one replica; further ones are numbered. */
export function replicaName(index: number): string {
  return index === 0 ? 'read_replica' : `read_replica_${index + 1}`;
}

type Named = StaticInstance & { readonly name: string };

function readDocument(
  options: StaticTopology,
  primary: Named,
  replicas: readonly Named[],
): EndpointsDocument {
  const document: EndpointsDocument = {
    version: 1,
    topology: { namespace: 'static', name: options.name ?? 'static', systemIdentifier: null },
    epoch: 0,
    generation: 0,
    timeline: null,
    // Never compared, and the same configuration makes the same document.
    publishedAt: '1970-01-01T00:00:00.000Z',
    primary: endpoint(primary),
    replicas: replicas.map(replicaEndpoint),
    poolers: { readWrite: null, readOnly: null },
    routing: { maxLagSeconds: 10, resumeLagSeconds: 5, fallbackToPrimary: true, ...options.routing },
  };
  const problems = sharedAddresses(document);
  if (problems.length > 0) throw new RouterError('RPG_CONFIG_INVALID', problems.join('; '));
  try {
    return parseEndpoints(JSON.stringify(document));
  } catch (error) {
    if (!(error instanceof EndpointsParseError)) throw error;
    throw new RouterError('RPG_CONFIG_INVALID', error.message.replace('endpoints document', 'addresses'));
  }
}

function endpoint({ name, host, port, zone }: Named): PrimaryEndpoint {
  return { name, host, port: port ?? 5432, zone: zone ?? null };
}

function replicaEndpoint(instance: Named): ReplicaEndpoint {
  return {
    ...endpoint(instance),
    weight: instance.weight ?? 1,
    routable: true,
    reason: null,
    lagSeconds: null,
    lagBytes: null,
  };
}

/** There is one pool per address, so one address cannot be two instances. */
export function sharedAddresses({ primary, replicas }: EndpointsDocument): string[] {
  const seen = new Map(
    primary === null ? [] : [[`${primary.host}:${primary.port}`.toLowerCase(), primary.name]],
  );
  return replicas.flatMap(({ name, host, port }) => {
    const address = `${host}:${port}`.toLowerCase();
    const other = seen.get(address);
    if (other !== undefined) return [`${name} has the address of ${other} (${address}), name it only once`];
    seen.set(address, name);
    return [];
  });
}
