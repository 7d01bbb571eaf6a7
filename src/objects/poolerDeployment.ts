// PgBouncer under an agent that follows the endpoints. `rw` listens on 6432 and leads to the primary, `ro` listens
// on 6433 and leads to the routable replicas.
import { labels, objectNames, type PoolerKind, ports } from '../api/names.ts';
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

export interface PoolerDeploymentOptions {
  readonly operatorImage: string;
  /** Image with PgBouncer, unless the spec names one. */
  readonly poolerImage: string;
}

export function poolerDeployment(
  topology: ReplicatedPostgres,
  which: PoolerKind,
  options: PoolerDeploymentOptions,
) {
  const selected = selectPoolers(topology, which);
  const own = { ...topologyLabels(topology, 'pooler'), ...selected };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: ownedBy(topology, objectNames(topology.metadata.name).pooler(which), 'pooler', selected),
    spec: {
      replicas: poolerSpec(topology, which).instances,
      revisionHistoryLimit: 2,
      // A new pooler answers before an old one leaves, so that a change of the template is not an outage.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      selector: { matchLabels: selected },
      template: {
        metadata: askedMetadata(topology.spec.podMetadata, own),
        spec: podSpec(topology, which, options),
      },
    },
  };
}

export function selectPoolers(topology: ReplicatedPostgres, which: PoolerKind): Record<string, string> {
  return {
    [labels.topology]: topology.metadata.name,
    [labels.component]: 'pooler',
    [labels.pooler]: which,
  };
}

export const poolerSpec = (topology: ReplicatedPostgres, which: PoolerKind) =>
  which === 'rw' ? topology.spec.pooler.readWrite : topology.spec.pooler.readOnly;

export const poolerPort = (which: PoolerKind): number =>
  which === 'rw' ? ports.poolerReadWrite : ports.poolerReadOnly;

function podSpec(topology: ReplicatedPostgres, which: PoolerKind, options: PoolerDeploymentOptions) {
  const names = objectNames(topology.metadata.name);
  return {
    serviceAccountName: names.poolerServiceAccount,
    automountServiceAccountToken: true,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 30,
    securityContext: podSecurityContext,
    affinity: spreadOverNodes(selectPoolers(topology, which)),
    ...given({ imagePullSecrets: topology.spec.imagePullSecrets }),
    initContainers: [installAgentContainer(options.operatorImage)],
    containers: [pgbouncerContainer(topology, which, options.poolerImage)],
    volumes: [
      agentVolume,
      { name: 'run', emptyDir: {} },
      { name: 'tmp', emptyDir: {} },
      {
        name: 'tls',
        secret: { secretName: names.poolerTlsSecret, defaultMode: secretFileMode, optional: false },
      },
      {
        name: 'secrets',
        secret: {
          secretName: names.poolerSecret,
          defaultMode: secretFileMode,
          optional: false,
          items: [{ key: 'password', path: 'pooler/password' }],
        },
      },
    ],
  };
}

function pgbouncerContainer(topology: ReplicatedPostgres, which: PoolerKind, poolerImage: string) {
  const { image, resources } = topology.spec.pooler;
  return {
    name: 'pgbouncer',
    image: image ?? poolerImage,
    imagePullPolicy: 'IfNotPresent',
    command: agentCommand('pooler', which),
    env: [
      { name: 'RM_TOPOLOGY', value: topology.metadata.name },
      fromPod('RM_NAMESPACE', 'metadata.namespace'),
      fromPod('RM_POD_NAME', 'metadata.name'),
    ],
    ports: [
      { name: 'pgbouncer', containerPort: poolerPort(which) },
      { name: 'agent', containerPort: ports.agent },
    ],
    ...agentProbes,
    resources: resources ?? { requests: { cpu: '20m', memory: '96Mi' } },
    securityContext: containerSecurityContext,
    volumeMounts: [
      agentMount,
      { name: 'run', mountPath: '/run/pgbouncer' },
      { name: 'tmp', mountPath: '/tmp' },
      { name: 'tls', mountPath: '/etc/replica-manager/tls', readOnly: true },
      { name: 'secrets', mountPath: '/etc/replica-manager/secrets', readOnly: true },
    ],
  };
}
