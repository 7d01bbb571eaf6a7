import { objectNames } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { type EndpointsDocument, endpointsKey } from '../endpoints/endpointsDocument.ts';
import { ownedBy } from './ownedBy.ts';

export function endpointsConfigMap(topology: ReplicatedPostgres, document: EndpointsDocument) {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: ownedBy(topology, objectNames(topology.metadata.name).endpointsConfigMap, 'routing'),
    data: { [endpointsKey]: `${JSON.stringify(document, null, 2)}\n` },
  };
}
