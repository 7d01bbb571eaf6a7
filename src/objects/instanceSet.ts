// One instance: a StatefulSet of one pod and its volume.
//
// Invariant: the template names no role. Which instance is primary is told by the Lease, and moves without a
// change here. The update strategy is OnDelete, because the order of restarts is the operator's decision.
import { instanceName, labels, objectNames, ports } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import {
  agentCommand,
  agentMount,
  agentProbes,
  agentVolume,
  fromPod,
  installAgentContainer,
} from './agentProgram.ts';
import { askedMetadata } from './askedMetadata.ts';
import { given } from './given.ts';
import { containerSecurityContext, podSecurityContext, secretFileMode } from './hardening.ts';
import { ownedBy, topologyLabels } from './ownedBy.ts';
import { spreadOverNodes } from './spreadOverNodes.ts';

export interface InstanceSetOptions {
  readonly operatorImage: string;
  /** The template of the claim in the StatefulSet that exists, which cannot be changed; left out for a new one. */
  readonly claimTemplate?: ClaimTemplate | undefined;
}

/** What a claim is made with. What comes later (another size, a label) is written to the claim itself. */
export interface ClaimTemplate {
  readonly size: string;
  readonly labels: Readonly<Record<string, string>>;
}

export function instanceSet(topology: ReplicatedPostgres, ordinal: number, options: InstanceSetOptions) {
  const instance = instanceName(topology.metadata.name, ordinal);
  const own = { ...topologyLabels(topology, 'instance'), [labels.instance]: instance };
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: ownedBy(topology, instance, 'instance', { [labels.instance]: instance }),
    spec: {
      replicas: 1,
      serviceName: objectNames(topology.metadata.name).instancesService,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'OnDelete' },
      revisionHistoryLimit: 2,
      // Deleting a volume is an act of the operator, never a side effect of deleting or scaling a StatefulSet.
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      selector: { matchLabels: { ...selectInstances(topology), [labels.instance]: instance } },
      template: {
        metadata: askedMetadata(topology.spec.podMetadata, own),
        spec: podSpec(topology, instance, options),
      },
      volumeClaimTemplates: [dataClaim(topology, options.claimTemplate ?? newClaim(topology, own))],
    },
  };
}

/** Labels that every instance pod of the topology carries, and nothing else does. */
export function selectInstances(topology: ReplicatedPostgres): Record<string, string> {
  return { [labels.topology]: topology.metadata.name, [labels.component]: 'instance' };
}

function podSpec(topology: ReplicatedPostgres, instance: string, options: InstanceSetOptions) {
  const { spec } = topology;
  return {
    serviceAccountName: objectNames(topology.metadata.name).instanceServiceAccount,
    automountServiceAccountToken: true,
    enableServiceLinks: false,
    // The agent is not process 1 of its container alone: what PostgreSQL leaves behind is reaped by the pod.
    shareProcessNamespace: true,
    terminationGracePeriodSeconds: 60,
    securityContext: podSecurityContext,
    affinity: spec.affinity ?? spreadOverNodes(selectInstances(topology)),
    ...given({
      tolerations: spec.tolerations,
      topologySpreadConstraints: spec.topologySpreadConstraints,
      imagePullSecrets: spec.imagePullSecrets,
    }),
    initContainers: [installAgentContainer(options.operatorImage)],
    containers: [postgresContainer(topology, instance)],
    volumes: volumes(topology),
  };
}

function postgresContainer(topology: ReplicatedPostgres, instance: string) {
  const { postgres, resources } = topology.spec;
  return {
    name: 'postgres',
    image: postgres.image ?? `postgres:${postgres.version}`,
    imagePullPolicy: 'IfNotPresent',
    command: agentCommand('agent'),
    env: [
      { name: 'RM_TOPOLOGY', value: topology.metadata.name },
      { name: 'RM_INSTANCE', value: instance },
      fromPod('RM_NAMESPACE', 'metadata.namespace'),
      fromPod('RM_POD_NAME', 'metadata.name'),
      fromPod('RM_POD_UID', 'metadata.uid'),
    ],
    ports: [
      { name: 'postgres', containerPort: ports.postgres },
      { name: 'agent', containerPort: ports.agent },
    ],
    ...agentProbes,
    resources: resources ?? { requests: { cpu: '100m', memory: '256Mi' } },
    securityContext: containerSecurityContext,
    volumeMounts: [
      { name: 'data', mountPath: '/var/lib/postgresql/data' },
      agentMount,
      { name: 'run', mountPath: '/var/run/postgresql' },
      { name: 'tmp', mountPath: '/tmp' },
      { name: 'shm', mountPath: '/dev/shm' },
      { name: 'tls', mountPath: '/etc/replica-manager/tls', readOnly: true },
      { name: 'secrets', mountPath: '/etc/replica-manager/secrets', readOnly: true },
    ],
  };
}

function volumes(topology: ReplicatedPostgres) {
  const names = objectNames(topology.metadata.name);
  const password = (secret: string, directory: string) => ({
    secret: { name: secret, optional: false, items: [{ key: 'password', path: `${directory}/password` }] },
  });
  return [
    agentVolume,
    { name: 'run', emptyDir: {} },
    { name: 'tmp', emptyDir: {} },
    // Parallel queries exchange rows here; the 64 MB that containers have otherwise are soon full.
    { name: 'shm', emptyDir: { medium: 'Memory' } },
    {
      name: 'tls',
      secret: { secretName: names.instanceTlsSecret, defaultMode: secretFileMode, optional: false },
    },
    {
      name: 'secrets',
      projected: {
        defaultMode: secretFileMode,
        sources: [
          password(names.superuserSecret, 'superuser'),
          password(names.applicationSecret, 'app'),
          password(names.poolerSecret, 'pooler'),
        ],
      },
    },
  ];
}

function newClaim({ metadata, spec }: ReplicatedPostgres, own: Readonly<Record<string, string>>) {
  return { size: spec.storage.size, labels: { ...own, [labels.topologyUid]: metadata.uid } };
}

/** No owner reference: a volume outlives its topology unless the operator is told otherwise. */
function dataClaim(topology: ReplicatedPostgres, template: ClaimTemplate) {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      // Kubernetes puts the pod's name behind it, which makes `dataClaimName`.
      name: 'data',
      labels: template.labels,
    },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: template.size } },
      ...given({ storageClassName: topology.spec.storage.storageClassName }),
    },
  };
}
