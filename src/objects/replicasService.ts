import { labels, objectNames, ports } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { selectInstances } from './instanceSet.ts';
import { serviceMeta } from './serviceMeta.ts';

/** Selects every instance that clients may read from; the operator moves the label. */
export function replicasService(topology: ReplicatedPostgres) {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: serviceMeta(topology, objectNames(topology.metadata.name).replicasService),
    spec: {
      type: 'ClusterIP',
      selector: { ...selectInstances(topology), [labels.routable]: 'true' },
      ports: [{ name: 'postgres', port: ports.postgres, protocol: 'TCP', targetPort: 'postgres' }],
    },
  };
}
