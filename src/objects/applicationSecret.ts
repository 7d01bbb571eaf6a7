import { objectNames, type PoolerKind, ports } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { ownedBy } from './ownedBy.ts';
import { poolerPort, poolerSpec } from './poolerDeployment.ts';
import { encoded } from './topologyCredentials.ts';

export interface ApplicationAccess {
  readonly password: string;
  /** Certificates that the application may check servers against, PEM. */
  readonly trusted: string;
}

/** What an application needs to connect, once for writing (`host`, `port`, `uri`) and once for reading (`ro-…`). */
export function applicationSecret(topology: ReplicatedPostgres, access: ApplicationAccess) {
  const { owner, database } = topology.spec.bootstrap;
  const readWrite = entrance(topology, 'rw');
  const readOnly = entrance(topology, 'ro');
  const uri = ({ host, port }: Entrance) =>
    `postgresql://${owner}:${encodeURIComponent(access.password)}@${host}:${port}/${database}?sslmode=require`;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: ownedBy(topology, objectNames(topology.metadata.name).applicationSecret, 'access'),
    type: 'Opaque',
    data: encoded({
      username: owner,
      password: access.password,
      database,
      host: readWrite.host,
      port: String(readWrite.port),
      uri: uri(readWrite),
      'ro-host': readOnly.host,
      'ro-port': String(readOnly.port),
      'ro-uri': uri(readOnly),
      'ca.crt': access.trusted,
    }),
  };
}

interface Entrance {
  readonly host: string;
  readonly port: number;
}

/** The pooler, or the Service behind it when the spec runs no pooler. */
function entrance(topology: ReplicatedPostgres, which: PoolerKind): Entrance {
  const names = objectNames(topology.metadata.name);
  const direct = which === 'rw' ? names.primaryService : names.replicasService;
  const at = (service: string) => `${service}.${topology.metadata.namespace}.svc`;
  return poolerSpec(topology, which).instances > 0
    ? { host: at(names.pooler(which)), port: poolerPort(which) }
    : { host: at(direct), port: ports.postgres };
}
