import { RouterError } from './routerError.ts';
import type { ReplicaManagerOptions } from './routerOptions.ts';

/** The variables that configure `replicaManager`; each is optional. */
export const environmentVariables = {
  endpointsFile: 'REPLICA_MANAGER_ENDPOINTS_FILE',
  credentialsDir: 'REPLICA_MANAGER_CREDENTIALS_DIR',
  tls: 'REPLICA_MANAGER_TLS',
  poolSize: 'REPLICA_MANAGER_POOL_SIZE',
  applicationName: 'REPLICA_MANAGER_APPLICATION_NAME',
} as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** An empty variable counts as unset, as Kubernetes and Compose write it. Throws `RPG_CONFIG_INVALID`. */
export function readRouterEnvironment(environment: Environment = process.env): ReplicaManagerOptions {
  const value = (name: keyof typeof environmentVariables) =>
    environment[environmentVariables[name]] || undefined;
  const problems: string[] = [];
  const tls = value('tls');
  if (tls !== undefined && tls !== 'verify-full' && tls !== 'off') {
    problems.push(`${environmentVariables.tls} must be verify-full or off, not "${tls}"`);
  }
  const poolSize = value('poolSize');
  if (poolSize !== undefined && !/^[1-9][0-9]{0,4}$/.test(poolSize)) {
    problems.push(`${environmentVariables.poolSize} must be a whole number from 1 on, not "${poolSize}"`);
  }
  if (problems.length > 0) throw new RouterError('RPG_CONFIG_INVALID', problems.join('; '));
  return {
    endpointsFile: value('endpointsFile'),
    credentialsDir: value('credentialsDir'),
    tls: tls === 'off' ? 'off' : 'verify-full',
    poolSize: poolSize === undefined ? undefined : Number(poolSize),
    applicationName: value('applicationName'),
  };
}
