// Every object that the operator keeps for a topology, in the order in which they are applied.
//
// The order matters on the first day only: a pod that starts before its account, its Secrets and its settings exist
// would wait for them and be retried later than needed.
import { databaseRoles, objectNames, type PoolerKind } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import type { EndpointsDocument } from '../endpoints/endpointsDocument.ts';
import { applicationSecret } from './applicationSecret.ts';
import { configConfigMap } from './configConfigMap.ts';
import { endpointsConfigMap } from './endpointsConfigMap.ts';
import { instanceRole } from './instanceRole.ts';
import { instanceRoleBinding } from './instanceRoleBinding.ts';
import { instanceServiceAccount } from './instanceServiceAccount.ts';
import { type ClaimTemplate, instanceSet } from './instanceSet.ts';
import { instancesDisruptionBudget } from './instancesDisruptionBudget.ts';
import { instancesService } from './instancesService.ts';
import type { TopologyObject } from './ownedBy.ts';
import { passwordSecret } from './passwordSecret.ts';
import { poolerDeployment, poolerSpec } from './poolerDeployment.ts';
import { poolerDisruptionBudget } from './poolerDisruptionBudget.ts';
import { poolerRole } from './poolerRole.ts';
import { poolerRoleBinding } from './poolerRoleBinding.ts';
import { poolerService } from './poolerService.ts';
import { poolerServiceAccount } from './poolerServiceAccount.ts';
import { primaryService } from './primaryService.ts';
import { replicasService } from './replicasService.ts';
import { tlsSecret } from './tlsSecret.ts';
import type { TopologyCredentials } from './topologyCredentials.ts';

export interface DesiredOptions {
  readonly operatorImage: string;
  readonly poolerImage: string;
  readonly credentials: TopologyCredentials;
  readonly systemIdentifier: string | null;
  /** Instances that should exist. They may have gaps: scaling down never takes the primary. */
  readonly ordinals: readonly number[];
  /** The claim template of each StatefulSet that exists, by ordinal; see `InstanceSetOptions`. */
  readonly claimTemplates?: ReadonlyMap<number, ClaimTemplate>;
  /** Null while there is nothing to publish. */
  readonly endpoints: EndpointsDocument | null;
}

export function desiredObjects(topology: ReplicatedPostgres, options: DesiredOptions): TopologyObject[] {
  const { ordinals, systemIdentifier, endpoints } = options;
  const poolers: readonly PoolerKind[] = ['rw', 'ro'];
  const severalPods = poolers.filter((which) => poolerSpec(topology, which).instances > 1);
  return [
    instanceServiceAccount(topology),
    instanceRole(topology, ordinals),
    instanceRoleBinding(topology),
    poolerServiceAccount(topology),
    poolerRole(topology),
    poolerRoleBinding(topology),
    ...secrets(topology, options.credentials),
    configConfigMap(topology, { systemIdentifier, ordinals }),
    ...(endpoints === null ? [] : [endpointsConfigMap(topology, endpoints)]),
    instancesService(topology),
    primaryService(topology),
    replicasService(topology),
    ...poolers.map((which) => poolerService(topology, which)),
    ...(ordinals.length > 1 ? [instancesDisruptionBudget(topology)] : []),
    ...severalPods.map((which) => poolerDisruptionBudget(topology, which)),
    ...ordinals.map((ordinal) =>
      instanceSet(topology, ordinal, {
        operatorImage: options.operatorImage,
        claimTemplate: options.claimTemplates?.get(ordinal),
      }),
    ),
    ...poolers.map((which) => poolerDeployment(topology, which, options)),
  ];
}

function secrets(topology: ReplicatedPostgres, credentials: TopologyCredentials): TopologyObject[] {
  const names = objectNames(topology.metadata.name);
  const { authority } = credentials;
  const { trusted } = authority;
  return [
    passwordSecret(topology, names.superuserSecret, {
      username: databaseRoles.superuser,
      password: credentials.superuserPassword,
    }),
    passwordSecret(topology, names.poolerSecret, {
      username: databaseRoles.pooler,
      password: credentials.poolerPassword,
    }),
    applicationSecret(topology, { password: credentials.applicationPassword, trusted }),
    // First of the TLS ones: a leaf whose authority was lost before it was stored could never be renewed.
    tlsSecret(topology, names.caSecret, authority),
    tlsSecret(topology, names.instanceTlsSecret, { ...credentials.instance, trusted }),
    tlsSecret(topology, names.operatorTlsSecret, { ...credentials.operator, trusted }),
    tlsSecret(topology, names.poolerTlsSecret, { ...credentials.pooler, trusted }),
  ];
}
