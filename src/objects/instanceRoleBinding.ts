import { objectNames } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { ownedBy } from './ownedBy.ts';

export function instanceRoleBinding(topology: ReplicatedPostgres) {
  const account = objectNames(topology.metadata.name).instanceServiceAccount;
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: ownedBy(topology, account, 'access'),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: account },
    subjects: [{ kind: 'ServiceAccount', name: account, namespace: topology.metadata.namespace }],
  };
}
