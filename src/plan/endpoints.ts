// The endpoints document from facts. In: who is primary, who may be read. Out: the document to publish, or the one that is
// published already.
//
// Invariant: (epoch, generation) never goes back, and a document that says the same keeps its generation. Lag numbers, the
// words of a reason and the time of publication are not part of what it says: nobody acts on them.

import { instanceHost, objectNames, ports } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import type { EndpointsDocument, PrimaryEndpoint, ReplicaEndpoint } from '../endpoints/endpointsDocument.ts';
import { canonicalJson } from '../lib/canonicalJson.ts';

export interface EndpointsFacts {
  readonly topology: ReplicatedPostgres;
  /** What is published now; undefined when nothing is. */
  readonly published: EndpointsDocument | undefined;
  readonly wallTime: string;
  readonly systemIdentifier: string | undefined;
  /** The highest epoch that is known from the Lease. */
  readonly epoch: number;
  readonly timeline: number | undefined;
  readonly primary: { readonly name: string; readonly zone: string | null } | undefined;
  readonly replicas: readonly ReplicaFacts[];
}

export interface ReplicaFacts {
  readonly name: string;
  readonly zone: string | null;
  readonly routable: boolean;
  readonly reason: string | null;
  readonly lagSeconds: number | undefined;
  readonly lagBytes: number | undefined;
}

/** The document that should be published. It is the published one itself when that says the same. */
export function planEndpoints(facts: EndpointsFacts): EndpointsDocument {
  const { published } = facts;
  const document = buildDocument(facts, published?.generation ?? 0);
  if (published !== undefined && whatItSays(published) === whatItSays(document)) return published;
  return { ...document, generation: lastGeneration(facts) + 1 };
}

/** The status remembers the generation too, so that a document deleted by hand does not start over. */
function lastGeneration({ published, topology }: EndpointsFacts): number {
  return Math.max(published?.generation ?? 0, topology.status?.routing?.generation ?? 0);
}

function buildDocument(facts: EndpointsFacts, generation: number): EndpointsDocument {
  const { topology, published, primary } = facts;
  const { name, namespace } = topology.metadata;
  const { routing } = topology.spec;
  const at = (instance: string) => ({ host: instanceHost(name, namespace, instance), port: ports.postgres });
  return {
    version: 1,
    topology: { namespace, name, systemIdentifier: facts.systemIdentifier ?? null },
    epoch: Math.max(facts.epoch, published?.epoch ?? 0, topology.status?.primary?.epoch ?? 0),
    generation,
    timeline: facts.timeline ?? published?.timeline ?? null,
    publishedAt: facts.wallTime,
    primary: primary === undefined ? null : primaryEndpoint(primary, at),
    replicas: facts.replicas.map((replica) => replicaEndpoint(replica, at)),
    poolers: poolerEndpoints(topology),
    routing: {
      maxLagSeconds: routing.maxLagSeconds,
      resumeLagSeconds: routing.resumeLagSeconds,
      fallbackToPrimary: routing.fallbackToPrimary,
    },
  };
}

type Address = (instance: string) => { readonly host: string; readonly port: number };

function primaryEndpoint(primary: { name: string; zone: string | null }, at: Address): PrimaryEndpoint {
  return { name: primary.name, ...at(primary.name), zone: primary.zone };
}

function replicaEndpoint(replica: ReplicaFacts, at: Address): ReplicaEndpoint {
  return {
    name: replica.name,
    ...at(replica.name),
    zone: replica.zone,
    weight: 1,
    routable: replica.routable,
    reason: replica.routable ? null : replica.reason,
    lagSeconds: replica.lagSeconds ?? null,
    lagBytes: replica.lagBytes ?? null,
  };
}

function poolerEndpoints({ metadata, spec }: ReplicatedPostgres): EndpointsDocument['poolers'] {
  const host = (which: 'rw' | 'ro') =>
    `${objectNames(metadata.name).pooler(which)}.${metadata.namespace}.svc`;
  return {
    readWrite: spec.pooler.readWrite.instances > 0 ? { host: host('rw'), port: ports.poolerReadWrite } : null,
    readOnly: spec.pooler.readOnly.instances > 0 ? { host: host('ro'), port: ports.poolerReadOnly } : null,
  };
}

/** Everything that a reader acts on, as comparable text. */
function whatItSays(document: EndpointsDocument): string {
  const { generation: _generation, publishedAt: _publishedAt, replicas, ...rest } = document;
  return canonicalJson({
    ...rest,
    replicas: replicas.map(
      ({ lagSeconds: _seconds, lagBytes: _bytes, reason: _reason, ...replica }) => replica,
    ),
  });
}
