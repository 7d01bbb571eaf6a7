// Every name and label that a topology's objects carry. Names are derived here and nowhere else, so
// that the operator, the agent, the pooler and a person with kubectl mean the same object.

export const apiGroup = 'replica-manager.io';
export const apiVersion = 'replica-manager.io/v1';
export const kind = 'ReplicatedPostgres';
export const plural = 'replicatedpostgreses';
export const fieldManager = 'replica-manager';

/** The longest topology name whose derived names (`<name>-instances`, pod `<name>-99-0`, labels) all stay legal. */
export const topologyNameMaxLength = 40;

export const labels = {
  /** On every object of a topology: the name of its ReplicatedPostgres. */
  topology: 'replica-manager.io/topology',
  /** On claims: the uid of the ReplicatedPostgres that they were made for. One of the same name may come later. */
  topologyUid: 'replica-manager.io/topology-uid',
  /** On the objects of one instance: `orders-1`. */
  instance: 'replica-manager.io/instance',
  /** On instance pods, put there by the agent: `primary` or `replica`. */
  role: 'replica-manager.io/role',
  /** On instance pods, put there by the operator: `true` while clients may read from it. */
  routable: 'replica-manager.io/routable',
  /** On pooler objects: `rw` or `ro`. */
  pooler: 'replica-manager.io/pooler',
  /** What an object is: `instance`, `pooler`, `routing`, `access`. */
  component: 'app.kubernetes.io/component',
  managedBy: 'app.kubernetes.io/managed-by',
} as const;

export const annotations = {
  /** Hash of what the operator last applied, so that a field it no longer wants is noticed. */
  applied: 'replica-manager.io/applied',
  /** On the Lease: identifier of the database system, once initdb has run. Never removed. */
  systemIdentifier: 'replica-manager.io/system-identifier',
  /** On the Lease: timeline of the primary at its last renewal. */
  timeline: 'replica-manager.io/timeline',
  /** On the Lease: WAL position of the primary at its last renewal. */
  walPosition: 'replica-manager.io/wal-position',
} as const;

export type PoolerKind = 'rw' | 'ro';

/** `orders` and 1 → `orders-1`: the name of an instance and of its StatefulSet. */
export const instanceName = (topology: string, ordinal: number): string => `${topology}-${ordinal}`;

/** `orders` and `orders-12` → 12; undefined when it is not an instance of this topology. */
export function instanceOrdinal(topology: string, instance: string): number | undefined {
  if (!instance.startsWith(`${topology}-`)) return undefined;
  const digits = instance.slice(topology.length + 1);
  return /^[1-9][0-9]{0,2}$/.test(digits) ? Number(digits) : undefined;
}

/** The one pod of an instance's StatefulSet. */
export const podName = (instance: string): string => `${instance}-0`;
/** The claim that the StatefulSet makes for the volume `data`. */
export const dataClaimName = (instance: string): string => `data-${instance}-0`;
/** Physical replication slot of an instance on every other instance: letters, digits and `_` only. */
export const slotName = (instance: string): string => instance.replaceAll('-', '_');

/** The name under which other pods and certificates know an instance. */
export const instanceHost = (topology: string, namespace: string, instance: string): string =>
  `${podName(instance)}.${topology}-instances.${namespace}.svc`;

/** Names of a topology's objects, by what they are. */
export function objectNames(topology: string) {
  return {
    primaryService: `${topology}-primary`,
    replicasService: `${topology}-replicas`,
    instancesService: `${topology}-instances`,
    primaryLease: `${topology}-primary`,
    endpointsConfigMap: `${topology}-endpoints`,
    configConfigMap: `${topology}-config`,
    superuserSecret: `${topology}-superuser`,
    applicationSecret: `${topology}-app`,
    poolerSecret: `${topology}-pooler`,
    caSecret: `${topology}-ca`,
    instanceTlsSecret: `${topology}-instance-tls`,
    operatorTlsSecret: `${topology}-operator-tls`,
    poolerTlsSecret: `${topology}-pooler-tls`,
    instanceServiceAccount: `${topology}-instance`,
    poolerServiceAccount: `${topology}-pooler`,
    instancesDisruptionBudget: `${topology}-instances`,
    pooler: (which: PoolerKind) => `${topology}-pooler-${which}`,
  } as const;
}

export const ports = { postgres: 5432, agent: 8008, poolerReadWrite: 6432, poolerReadOnly: 6433 } as const;

/** Roles inside PostgreSQL that belong to the product. The superuser is `postgres`. */
export const databaseRoles = {
  superuser: 'postgres',
  replication: 'replica_manager_replication',
  monitor: 'replica_manager_monitor',
  pooler: 'replica_manager_pooler',
} as const;
