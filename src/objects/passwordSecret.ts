import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { ownedBy } from './ownedBy.ts';
import { encoded } from './topologyCredentials.ts';

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** The Secret of a role that belongs to the product. */
export function passwordSecret(topology: ReplicatedPostgres, name: string, login: Login) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: ownedBy(topology, name, 'access'),
    type: 'Opaque',
    data: encoded({ username: login.username, password: login.password }),
  };
}
