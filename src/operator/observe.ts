// Gathers the facts of one topology: from the stores of the reflectors, the probes and memory. Writes nothing.

import { kind, labels, objectNames } from '../api/names.ts';
import { parseReplicatedPostgres } from '../api/replicatedPostgres.ts';
import type { ReplicatedPostgresStatus } from '../api/replicatedPostgresStatus.ts';
import { parseTopologyConfig, topologyConfigKey } from '../api/topologyConfig.ts';
import { endpointsKey } from '../endpoints/endpointsDocument.ts';
import { parseEndpoints } from '../endpoints/parseEndpoints.ts';
import { differs } from '../kube/differs.ts';
import type { KubeObject, LiveObject, OwnerReference } from '../kube/kubeObject.ts';
import type { PersistentVolumeClaim, Pod } from '../kube/resources.ts';
import { parseObjectKey } from '../kube/store.ts';
import { parseBytes } from '../lib/quantity.ts';
import type { PlanTools } from '../plan/objects.ts';
import type { ClaimFacts, InstanceFacts, Observed, PodFacts, ResourceFacts } from '../plan/observed.ts';
import { buildDesired } from './buildDesired.ts';
import type { Deps } from './deps.ts';
import { observeCredentials } from './observeCredentials.ts';
import { readLeaseFacts } from './readLease.ts';

export interface Observation {
  readonly observed: Observed;
  readonly tools: PlanTools;
}

export async function observe(key: string, deps: Deps, signal: AbortSignal): Promise<Observation> {
  const { watches, clock, memory } = deps;
  const { namespace = '', name } = parseObjectKey(key);
  const names = objectNames(name);
  const resource = observeResource(key, deps);
  const lease = watches.named('Lease', key, names.primaryLease);
  const credentials = await observeCredentials(key, resource, deps);
  const observed: Observed = {
    at: clock.now(),
    wallTime: clock.wallNow().toISOString(),
    key: { namespace, name },
    resource,
    lease: lease === undefined ? undefined : readLeaseFacts(lease),
    config: parsed(
      parseTopologyConfig,
      watches.named('ConfigMap', key, names.configConfigMap)?.data?.[topologyConfigKey],
    ),
    endpoints: parsed(
      parseEndpoints,
      watches.named('ConfigMap', key, names.endpointsConfigMap)?.data?.[endpointsKey],
    ),
    instances: await observeInstances(key, deps, signal),
    claims: observeClaims(key, deps),
    poolers: {
      readWrite: observePooler(key, names.pooler('rw'), deps),
      readOnly: observePooler(key, names.pooler('ro'), deps),
    },
    live: watches.allOf(key).filter((it) => it.kind !== 'PersistentVolumeClaim' && it.kind !== 'Pod'),
    credentials: credentials.state,
    refusals: [...memory.of(key).refusals]
      .map(([object, { message }]) => ({ object, message }))
      .sort((a, b) => (a.object < b.object ? -1 : 1)),
    statusAgeMs: clock.now() - memory.of(key).statusWrittenAt,
    hasSaidFarewell: memory.of(key).hasSaidFarewell,
  };
  const tools: PlanTools = {
    differs: (live, desired) => differs(desired as KubeObject, live as KubeObject),
    desiredObjects: (topology, choice) =>
      buildDesired(topology, choice, {
        images: deps.images,
        credentials: credentials.value,
        sets: watches.of('StatefulSet', key),
        deployments: watches.of('Deployment', key),
        accounts: watches.of('ServiceAccount', key),
      }),
  };
  return { observed, tools };
}

function observeResource(key: string, { watches }: Deps): ResourceFacts {
  const object = watches.topologies.get(parseObjectKey(key));
  if (object === undefined) return { kind: 'absent' };
  const { metadata } = object;
  const status = object.status as ReplicatedPostgresStatus | undefined;
  const isDeleting = metadata.deletionTimestamp !== undefined;
  const generation = metadata.generation ?? 0;
  const result = parseReplicatedPostgres({
    apiVersion: object.apiVersion,
    kind: object.kind,
    spec: object.spec,
    metadata: { ...metadata, namespace: metadata.namespace ?? '', generation },
    ...(status === undefined ? {} : { status }),
  });
  return result.kind === 'valid'
    ? { kind: 'valid', isDeleting, topology: result.topology }
    : { kind: 'invalid', uid: metadata.uid, generation, isDeleting, problems: result.problems, status };
}

async function observeInstances(
  key: string,
  deps: Deps,
  signal: AbortSignal,
): Promise<readonly InstanceFacts[]> {
  const { watches, probes } = deps;
  const sets = watches.of('StatefulSet', key).filter((it) => it.metadata.deletionTimestamp === undefined);
  const pods = watches.of('Pod', key).filter(isInstance);
  const byInstance = new Map(pods.map((pod) => [pod.metadata.labels?.[labels.instance], pod]));
  const names = new Set([...sets.map((it) => it.metadata.name), ...byInstance.keys()]);
  return Promise.all(
    [...names]
      .filter((it) => it !== undefined)
      .sort()
      .map(async (name) => ({
        name,
        pod: await observePod(byInstance.get(name), key, deps, signal),
        ...probes.facts(key, name),
      })),
  );
}

export const isInstance = (pod: Pod): boolean => pod.metadata.labels?.[labels.component] === 'instance';

async function observePod(
  pod: Pod | undefined,
  key: string,
  deps: Deps,
  signal: AbortSignal,
): Promise<PodFacts | undefined> {
  if (pod === undefined) return undefined;
  const { metadata, spec } = pod;
  const node = spec?.nodeName;
  return {
    name: metadata.name,
    uid: metadata.uid,
    isDeleting: metadata.deletionTimestamp !== undefined,
    isScheduled: node !== undefined,
    isReady: pod.status?.conditions?.some((it) => it.type === 'Ready' && it.status === 'True') === true,
    zone: node === undefined ? null : await deps.zones.zoneOf(node, signal),
    routableLabel: metadata.labels?.[labels.routable],
    stuck: readStuck(pod),
    outdated: readOutdated(pod, key, deps),
  };
}

/** The kubelet goes on handing out tokens of an account that is gone, so its age is what tells. */
function readOutdated({ metadata }: Pod, key: string, { watches }: Deps): PodFacts['outdated'] {
  const { name } = parseObjectKey(key);
  const set = watches.named('StatefulSet', key, metadata.labels?.[labels.instance] ?? '');
  const account = watches.named('ServiceAccount', key, objectNames(name).instanceServiceAccount);
  const wanted = set?.status?.updateRevision;
  const made = metadata.labels?.['controller-revision-hash'];
  const isOlder =
    account !== undefined &&
    Date.parse(account.metadata.creationTimestamp) > Date.parse(metadata.creationTimestamp);
  return [
    ...(wanted !== undefined && made !== undefined && made !== wanted ? (['pod template'] as const) : []),
    ...(isOlder ? (['service account'] as const) : []),
  ];
}

/** What every container goes through while it starts. */
const ordinaryWaits: ReadonlySet<string> = new Set(['ContainerCreating', 'PodInitializing']);

/** The first container that waits for something else than its turn, or has failed. */
function readStuck({ status }: Pod): PodFacts['stuck'] {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  for (const { name, state } of all) {
    const { waiting, terminated } = state ?? {};
    // Its own message names the pod's uid and a delay that grows, which would be news with every attempt.
    if (waiting?.reason === 'CrashLoopBackOff') {
      return { reason: waiting.reason, message: `container ${name} ends again and again, see its log` };
    }
    if (waiting?.reason !== undefined && !ordinaryWaits.has(waiting.reason)) {
      return { reason: waiting.reason, message: waiting.message ?? `container ${name}` };
    }
    if (terminated !== undefined && terminated.exitCode !== 0) {
      const message = `container ${name} has ended with exit code ${terminated.exitCode}`;
      return { reason: terminated.reason ?? 'Error', message };
    }
  }
  return undefined;
}

/** A storage class may be changed, or a quota raised. Until then asking again tells nothing new. */
const refusedSizeStandsMs = 300_000;

function observeClaims(key: string, { watches, memory, clock }: Deps): readonly ClaimFacts[] {
  const topology = watches.topologies.get(parseObjectKey(key))?.metadata;
  const { refusedSizes } = memory.of(key);
  return watches.of('PersistentVolumeClaim', key).map((claim) => {
    const refused = refusedSizes.get(claim.metadata.uid);
    const stands = refused !== undefined && clock.now() - refused.at < refusedSizeStandsMs;
    return readClaim(claim, topology, stands ? refused.size : undefined);
  });
}

function readClaim(
  { metadata, spec, status }: PersistentVolumeClaim,
  topology: LiveObject['metadata'] | undefined,
  refusedSize: string | undefined,
): ClaimFacts {
  const size = spec?.resources?.requests?.['storage'];
  const madeAt = Date.parse(metadata.creationTimestamp);
  return {
    name: metadata.name,
    uid: metadata.uid,
    topologyUid: metadata.labels?.[labels.topologyUid],
    isYounger: topology !== undefined && madeAt > Date.parse(topology.creationTimestamp),
    isDeleting: metadata.deletionTimestamp !== undefined,
    isBound: status?.phase === 'Bound',
    isOwned: metadata.ownerReferences?.some((it) => isOwner(it, topology)) === true,
    sizeBytes: parsed(parseBytes, size),
    refusedBytes: parsed(parseBytes, refusedSize),
  };
}

/** When the topology is gone, any of its name was the owner. */
const isOwner = (owner: OwnerReference, topology: LiveObject['metadata'] | undefined): boolean =>
  topology === undefined ? owner.kind === kind : owner.uid === topology.uid;

function observePooler(key: string, name: string, { watches }: Deps) {
  const deployment = watches.named('Deployment', key, name);
  if (deployment === undefined) return undefined;
  return { wanted: deployment.spec?.replicas ?? 0, available: deployment.status?.availableReplicas ?? 0 };
}

/** A document that somebody has broken by hand is one that is missing: it will be written anew. */
function parsed<T>(parse: (text: string) => T, text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}
