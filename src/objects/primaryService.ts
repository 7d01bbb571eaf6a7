import { labels, objectNames, ports } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { selectInstances } from './instanceSet.ts';
import { serviceMeta } from './serviceMeta.ts';

/** Selects the primary; its agent moves the label. */
export function primaryService(topology: ReplicatedPostgres) {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: serviceMeta(topology, objectNames(topology.metadata.name).primaryService),
    spec: {
      type: 'ClusterIP',
      selector: { ...selectInstances(topology), [labels.role]: 'primary' },
      ports: [{ name: 'postgres', port: ports.postgres, protocol: 'TCP', targetPort: 'postgres' }],
    },
  };
}
