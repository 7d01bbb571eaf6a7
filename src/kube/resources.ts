// Which kinds this project touches, and where the API server keeps them.

import type {
  V1ConfigMap,
  V1CustomResourceDefinition,
  V1Deployment,
  V1EndpointSlice,
  V1Lease,
  V1Node,
  V1PersistentVolumeClaim,
  V1Pod,
  V1PodDisruptionBudget,
  V1Role,
  V1RoleBinding,
  V1Secret,
  V1Service,
  V1ServiceAccount,
  V1StatefulSet,
} from '@kubernetes/client-node';
import type { KubeObject, Live, LiveObject, Plain } from './kubeObject.ts';

/** A kind, and with `T` the shape of its objects as the server returns them. */
export interface Resource<T extends LiveObject = LiveObject> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Carries `T`; never set. */
  readonly shape?: T;
}

export type Pod = Live<Plain<V1Pod>>;
export type Service = Live<Plain<V1Service>>;
export type ConfigMap = Live<Plain<V1ConfigMap>>;
export type Secret = Live<Plain<V1Secret>>;
export type ServiceAccount = Live<Plain<V1ServiceAccount>>;
export type PersistentVolumeClaim = Live<Plain<V1PersistentVolumeClaim>>;
export type Node = Live<Plain<V1Node>>;
export type StatefulSet = Live<Plain<V1StatefulSet>>;
export type Deployment = Live<Plain<V1Deployment>>;
export type PodDisruptionBudget = Live<Plain<V1PodDisruptionBudget>>;
export type Role = Live<Plain<V1Role>>;
export type RoleBinding = Live<Plain<V1RoleBinding>>;
export type Lease = Live<Plain<V1Lease>>;
export type EndpointSlice = Live<Plain<V1EndpointSlice>>;
export type CustomResourceDefinition = Live<Plain<V1CustomResourceDefinition>>;
/** `spec` and `status` are for the owner of the schema to parse. */
export type ReplicatedPostgresObject = LiveObject & { readonly spec?: unknown; readonly status?: unknown };

function namespaced<T extends LiveObject>(apiVersion: string, kind: string, plural: string): Resource<T> {
  return { apiVersion, kind, plural, namespaced: true };
}

function clusterWide<T extends LiveObject>(apiVersion: string, kind: string, plural: string): Resource<T> {
  return { apiVersion, kind, plural, namespaced: false };
}

/** Every kind by its name. */
export const resources = {
  Pod: namespaced<Pod>('v1', 'Pod', 'pods'),
  Service: namespaced<Service>('v1', 'Service', 'services'),
  ConfigMap: namespaced<ConfigMap>('v1', 'ConfigMap', 'configmaps'),
  Secret: namespaced<Secret>('v1', 'Secret', 'secrets'),
  ServiceAccount: namespaced<ServiceAccount>('v1', 'ServiceAccount', 'serviceaccounts'),
  PersistentVolumeClaim: namespaced<PersistentVolumeClaim>(
    'v1',
    'PersistentVolumeClaim',
    'persistentvolumeclaims',
  ),
  Namespace: clusterWide<LiveObject>('v1', 'Namespace', 'namespaces'),
  Node: clusterWide<Node>('v1', 'Node', 'nodes'),
  Event: namespaced<LiveObject>('events.k8s.io/v1', 'Event', 'events'),
  StatefulSet: namespaced<StatefulSet>('apps/v1', 'StatefulSet', 'statefulsets'),
  Deployment: namespaced<Deployment>('apps/v1', 'Deployment', 'deployments'),
  PodDisruptionBudget: namespaced<PodDisruptionBudget>(
    'policy/v1',
    'PodDisruptionBudget',
    'poddisruptionbudgets',
  ),
  Role: namespaced<Role>('rbac.authorization.k8s.io/v1', 'Role', 'roles'),
  RoleBinding: namespaced<RoleBinding>('rbac.authorization.k8s.io/v1', 'RoleBinding', 'rolebindings'),
  Lease: namespaced<Lease>('coordination.k8s.io/v1', 'Lease', 'leases'),
  EndpointSlice: namespaced<EndpointSlice>('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices'),
  ReplicatedPostgres: namespaced<ReplicatedPostgresObject>(
    'replica-manager.io/v1',
    'ReplicatedPostgres',
    'replicatedpostgreses',
  ),
  CustomResourceDefinition: clusterWide<CustomResourceDefinition>(
    'apiextensions.k8s.io/v1',
    'CustomResourceDefinition',
    'customresourcedefinitions',
  ),
} as const;

const byKind: ReadonlyMap<string, Resource> = new Map(
  Object.values(resources).map((resource: Resource) => [`${resource.apiVersion}/${resource.kind}`, resource]),
);

/**
 * The kind of an object that is about to be written.
 *
 * @throws Error for a kind that is not in the table
 */
export function resourceOf(object: Pick<KubeObject, 'apiVersion' | 'kind'>): Resource {
  const resource = byKind.get(`${object.apiVersion}/${object.kind}`);
  if (resource === undefined) {
    throw new Error(`no path is known for ${object.apiVersion} ${object.kind}: add it to kube/resources.ts`);
  }
  return resource;
}

/** Where an object, or with `name` left out a collection, is found. */
export interface Place {
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

/**
 * The path of an object or a collection. A collection without namespace reaches over all namespaces.
 *
 * @throws Error when one object of a namespaced kind is meant and no namespace is given
 */
export function pathOf(resource: Resource, place: Place): string {
  if (resource.namespaced && place.name !== undefined && place.namespace === undefined) {
    throw new Error(`${resource.kind} ${place.name} needs a namespace`);
  }
  const root = resource.apiVersion.includes('/')
    ? `/apis/${resource.apiVersion}`
    : `/api/${resource.apiVersion}`;
  const namespace =
    resource.namespaced && place.namespace !== undefined ? ['namespaces', place.namespace] : [];
  const parts = [...namespace, resource.plural, place.name, place.subresource];
  return [root, ...parts.filter((part) => part !== undefined).map(encodeURIComponent)].join('/');
}
