import { objectNames, ports } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { selectInstances } from './instanceSet.ts';
import { serviceMeta } from './serviceMeta.ts';

/**
 * Gives every instance a name of its own in DNS.
 *
 * Not-ready instances have theirs as well: a replica that is being cloned must find the primary, and the operator
 * must be able to ask an instance why it is not ready.
 */
export function instancesService(topology: ReplicatedPostgres) {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: serviceMeta(topology, objectNames(topology.metadata.name).instancesService),
    spec: {
      type: 'ClusterIP',
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: selectInstances(topology),
      ports: [
        { name: 'postgres', port: ports.postgres, protocol: 'TCP', targetPort: 'postgres' },
        { name: 'agent', port: ports.agent, protocol: 'TCP', targetPort: 'agent' },
      ],
    },
  };
}
