// Where a pooler runs and which topology it serves, from the environment of its container.
import { type PoolerKind, ports } from '../api/names.ts';
import { drainBounds } from './drainPgbouncer.ts';
import type { PoolerSettings } from './servePooler.ts';

const metricsPort = 9127;

/** The kubelet brings a changed Secret within a minute or two; ten seconds more do not matter. */
const secretsPeriodMs = 10_000;

export type Environment = Readonly<Record<string, string | undefined>>;

/** @throws Error that names a variable which is missing */
export function readPoolerEnvironment(kind: PoolerKind, env: Environment) {
  const needed = (name: string, from: string): string => {
    const value = env[name];
    if (value === undefined || value === '') throw new Error(`${name} is not set, ${from}`);
    return value;
  };
  const byOperator = "start the pooler through the operator's Deployment";
  const byKubelet = 'the pooler runs in a pod of a Kubernetes cluster';
  const settings: PoolerSettings = {
    namespace: needed('RM_NAMESPACE', byOperator),
    topology: needed('RM_TOPOLOGY', byOperator),
    program: 'pgbouncer',
    listenAddress: '*',
    listenPort: kind === 'rw' ? ports.poolerReadWrite : ports.poolerReadOnly,
    probesPort: ports.agent,
    metricsPort,
    runDir: '/run/pgbouncer',
    tlsDir: '/etc/replica-manager/tls',
    passwordFile: '/etc/replica-manager/secrets/pooler/password',
    secretsPeriodMs,
    drain: drainBounds,
  };
  return {
    settings,
    apiServer: {
      host: needed('KUBERNETES_SERVICE_HOST', byKubelet),
      port: needed('KUBERNETES_SERVICE_PORT', byKubelet),
    },
    version: env['REPLICA_MANAGER_VERSION'] ?? '0.0.0',
    logLevel: env['RM_LOG_LEVEL'] ?? 'info',
  };
}
