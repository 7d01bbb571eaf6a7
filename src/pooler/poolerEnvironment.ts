// Where a pooler runs and which topology it serves, from the environment of its container.
import { type PoolerKind, ports } from '../api/names.ts';
import { drainBounds } from './drainPgbouncer.ts';
import type { PoolerSettings } from './runPooler.ts';

const metricsPort = 9127;

/** The kubelet brings a changed Secret within a minute or two; ten seconds more do not matter. */
const secretsPeriodMs = 10_000;

/** @throws Error that names a variable which is missing */
export function readPoolerEnvironment(
  kind: PoolerKind,
  env: Readonly<Record<string, string | undefined>>,
): PoolerSettings {
  const needed = (name: string): string => {
    const value = env[name];
    if (value === undefined || value === '')
      throw new Error(`${name} is not set, the operator's Deployment sets it`);
    return value;
  };
  return {
    namespace: needed('RM_NAMESPACE'),
    topology: needed('RM_TOPOLOGY'),
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
}
