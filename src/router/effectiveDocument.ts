// The document as it would be if it had been published after the newest observations.
//
// Invariant: epoch, generation and settings stay as published, and nobody is left out: who is not the primary is a replica. One
// that says it is primary and is not written to is not read from either, because nobody keeps it up to date.

import type { EndpointsDocument, PrimaryEndpoint, ReplicaEndpoint } from '../endpoints/endpointsDocument.ts';
import type { FoundPrimary } from './findPrimary.ts';
import type { Observation } from './observation.ts';

/** The same object when there is nothing to correct. */
export function effectiveDocument(
  document: EndpointsDocument,
  found: FoundPrimary,
  observations: ReadonlyMap<string, Observation>,
): EndpointsDocument {
  const { primary } = found;
  const former =
    document.primary !== null && document.primary.name !== primary?.name ? [document.primary] : [];
  const replicas = [
    ...document.replicas.filter(({ name }) => name !== primary?.name).map((it) => correct(it, observations)),
    ...former.map((it) => formerPrimary(it, observations)),
  ];
  const isSame =
    former.length === 0 &&
    primary?.name === document.primary?.name &&
    replicas.every((it, index) => it === document.replicas[index]);
  if (isSame) return document;
  return { ...document, primary, replicas, timeline: found.timeline ?? document.timeline };
}

function correct(replica: ReplicaEndpoint, observations: ReadonlyMap<string, Observation>): ReplicaEndpoint {
  const reason = claimOf(replica, observations);
  return reason === undefined ? replica : { ...replica, routable: false, reason };
}

function formerPrimary(
  endpoint: PrimaryEndpoint,
  observations: ReadonlyMap<string, Observation>,
): ReplicaEndpoint {
  const probe = observations.get(endpoint.name)?.probe;
  const isReplica = probe?.kind === 'answered' && probe.role === 'replica' && probe.isStreaming;
  const reason = claimOf(endpoint, observations) ?? 'was the primary and is no replica yet';
  return {
    ...endpoint,
    weight: 1,
    routable: isReplica,
    reason: isReplica ? null : reason,
    lagSeconds: null,
    lagBytes: null,
  };
}

function claimOf(
  { name }: PrimaryEndpoint,
  observations: ReadonlyMap<string, Observation>,
): string | undefined {
  const probe = observations.get(name)?.probe;
  if (probe?.kind !== 'answered' || probe.role === 'replica') return undefined;
  return `says that it is primary${probe.timeline === null ? '' : ` of timeline ${probe.timeline}`}`;
}
