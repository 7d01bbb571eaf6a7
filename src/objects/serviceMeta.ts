import { labels, type PoolerKind } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { askedMetadata } from './askedMetadata.ts';
import { type OwnedMeta, ownedBy } from './ownedBy.ts';

/** Metadata of a Service: what the spec asks for, then ours. */
export function serviceMeta(topology: ReplicatedPostgres, name: string, pooler?: PoolerKind): OwnedMeta {
  const own = ownedBy(topology, name, 'routing', pooler === undefined ? {} : { [labels.pooler]: pooler });
  return { ...own, ...askedMetadata(topology.spec.serviceMetadata, own.labels) };
}
