import { objectNames } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { ownedBy } from './ownedBy.ts';

/** What poolers may touch: the topology's documents, to read them. */
export function poolerRole(topology: ReplicatedPostgres) {
  const names = objectNames(topology.metadata.name);
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: ownedBy(topology, names.poolerServiceAccount, 'access'),
    rules: [
      {
        apiGroups: [''],
        resources: ['configmaps'],
        resourceNames: [names.configConfigMap, names.endpointsConfigMap],
        verbs: ['get', 'list', 'watch'],
      },
    ],
  };
}
