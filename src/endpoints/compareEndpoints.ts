import type { EndpointsDocument } from './endpointsDocument.ts';

/**
 * What a document is to one who has taken `current`.
 *
 * `otherTopology` is a document of another name, or of a database system that was made anew under the
 * same name. Its numbers start over, so neither is newer than the other.
 */
export type EndpointsOrder = 'newer' | 'same' | 'older' | 'otherTopology';

/** The order of documents is (epoch, generation); the time of publishing plays no part in it. */
export function compareEndpoints(candidate: EndpointsDocument, current: EndpointsDocument): EndpointsOrder {
  if (!isSameTopology(candidate.topology, current.topology)) return 'otherTopology';
  const distance = candidate.epoch - current.epoch || candidate.generation - current.generation;
  if (distance === 0) return 'same';
  return distance > 0 ? 'newer' : 'older';
}

/** A system identifier is unknown until initdb has run; an unknown one contradicts nothing. */
function isSameTopology(one: EndpointsDocument['topology'], other: EndpointsDocument['topology']): boolean {
  return (
    one.namespace === other.namespace &&
    one.name === other.name &&
    (one.systemIdentifier === null ||
      other.systemIdentifier === null ||
      one.systemIdentifier === other.systemIdentifier)
  );
}
