// The agent comes into an unmodified image through a volume: an init container of the operator's image copies
// Node, its libraries and the bundle there, the main container runs them from it and cannot write to it.
import { ports } from '../api/names.ts';
import { containerSecurityContext } from './hardening.ts';

const directory = '/opt/replica-manager';

export const agentVolume = {
  name: 'agent',
  // Node with its libraries takes about 150 MB.
  emptyDir: { sizeLimit: '512Mi' },
} as const;

export const agentMount = { name: agentVolume.name, mountPath: directory, readOnly: true } as const;

/**
 * The command that runs the agent in the role that the words name. Its young generation stays small, because a copy
 * of it runs beside every server and has a second to spare for each collection.
 */
export const agentCommand = (...words: readonly string[]): string[] => [
  `${directory}/node`,
  '--max-semi-space-size=2',
  `${directory}/agent.mjs`,
  ...words,
];

export function installAgentContainer(operatorImage: string) {
  return {
    name: 'install-agent',
    image: operatorImage,
    imagePullPolicy: 'IfNotPresent',
    command: ['/app/node', '/app/main.mjs', 'install', directory],
    resources: { requests: { cpu: '10m', memory: '64Mi' } },
    securityContext: containerSecurityContext,
    volumeMounts: [{ name: agentVolume.name, mountPath: directory }],
  };
}

/** An environment variable that the kubelet fills with a field of the pod. */
export const fromPod = (name: string, fieldPath: string) => ({
  name,
  valueFrom: { fieldRef: { fieldPath } },
});

const ask = (path: '/livez' | '/readyz') => ({ path, port: ports.agent, scheme: 'HTTPS' });

/**
 * How the kubelet asks an agent.
 *
 * Readiness is quick, because it moves clients. Liveness is slow, because a restart of a database that is merely
 * busy makes everything worse: a minute of silence of the agent itself, not of PostgreSQL.
 */
export const agentProbes = {
  startupProbe: { httpGet: ask('/livez'), periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 60 },
  readinessProbe: { httpGet: ask('/readyz'), periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 3 },
  livenessProbe: { httpGet: ask('/livez'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
} as const;
