import { objectNames } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { ownedBy } from './ownedBy.ts';

/** The token is mounted by the pods that ask for it, not into whatever else may run under this account. */
export function instanceServiceAccount(topology: ReplicatedPostgres) {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: ownedBy(topology, objectNames(topology.metadata.name).instanceServiceAccount, 'access'),
    automountServiceAccountToken: false,
  };
}
