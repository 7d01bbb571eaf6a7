import { instanceName, objectNames, podName } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { ownedBy } from './ownedBy.ts';

/**
 * What agents may touch: the pods of the instances that exist, the Lease, the topology's documents.
 *
 * Kubernetes cannot restrict `create` to a name, so the right to create Leases is the one that names no object.
 */
export function instanceRole(topology: ReplicatedPostgres, ordinals: readonly number[]) {
  const names = objectNames(topology.metadata.name);
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: ownedBy(topology, names.instanceServiceAccount, 'access'),
    rules: [
      {
        apiGroups: [''],
        resources: ['pods'],
        resourceNames: ordinals.map((ordinal) => podName(instanceName(topology.metadata.name, ordinal))),
        verbs: ['get', 'patch'],
      },
      {
        apiGroups: ['coordination.k8s.io'],
        resources: ['leases'],
        resourceNames: [names.primaryLease],
        verbs: ['get', 'update', 'patch'],
      },
      { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
      {
        apiGroups: [''],
        resources: ['configmaps'],
        resourceNames: [names.configConfigMap, names.endpointsConfigMap],
        verbs: ['get', 'list', 'watch'],
      },
    ],
  };
}
