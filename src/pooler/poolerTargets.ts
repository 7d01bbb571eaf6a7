import type { PoolerKind } from '../api/names.ts';
import type { EndpointsDocument } from '../endpoints/index.ts';

/** The servers behind a pooler. PgBouncer's list of hosts has one port for all of them. */
export interface PoolerTargets {
  readonly hosts: readonly string[];
  readonly port: number;
}

/**
 * Where a pooler's server connections go according to a document; null when no server may take them.
 *
 * A read-write pooler keeps to the previous primary while there is none: writes wait for its successor rather than fail.
 * The share of a replica among the reads cannot be told to PgBouncer; only 0, which takes none, is followed.
 */
export function poolerTargets(
  kind: PoolerKind,
  endpoints: EndpointsDocument,
  previous: PoolerTargets | null,
): PoolerTargets | null {
  const { primary, replicas, routing } = endpoints;
  const primaryOnly = primary === null ? null : { hosts: [primary.host], port: primary.port };
  if (kind === 'rw') return primaryOnly ?? previous;
  const readable = replicas.filter((replica) => replica.routable && replica.weight > 0);
  const port = readable[0]?.port;
  if (port === undefined) return routing.fallbackToPrimary ? primaryOnly : null;
  // Sorted, because another order would be another configuration and would make every connection anew.
  const hosts = readable.filter((replica) => replica.port === port).map((replica) => replica.host);
  return { hosts: hosts.toSorted(), port };
}
