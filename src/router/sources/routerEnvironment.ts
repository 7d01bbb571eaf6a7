// The environment in, the options of a replica manager out. Every variable is in environmentVariables.ts.

import { RouterError } from '../routerError.ts';
import type { ReplicaManagerOptions } from '../routerOptions.ts';
import { fileSource } from './fileSource.ts';
import { httpSource } from './httpSource.ts';
import { readGuideTopology } from './readGuideTopology.ts';
import type { TopologySource } from './topologySource.ts';
import { type Environment, maxCount, VariableReader } from './variableReader.ts';

/** What the environment says. Undefined is what it leaves to the defaults. */
export interface EnvironmentOptions extends ReplicaManagerOptions {
  /** The addresses of the guide's variables, or the stream of a service; undefined when only a file is followed. */
  readonly sources?: readonly TopologySource[] | undefined;
  /** Connections to each instance that stay open when idle. */
  readonly minPoolSize?: number | undefined;
  /** Where they differ from those of the primary. */
  readonly replicaConnectTimeoutMs?: number | undefined;
  readonly replicaStatementTimeoutMs?: number | undefined;
  /** How often each instance is asked while no replica is read from. */
  readonly healthCheckIntervalMs?: number | undefined;
  /** `USE_READ_REPLICAS`; undefined where the addresses come from a file or a stream. */
  readonly useReadReplicas?: boolean | undefined;
}

/** Any of these says that the addresses are in the environment. */
const guideVariables = ['DB_HOST', 'READ_REPLICA_CONNECTION_STRING', 'USE_READ_REPLICAS'] as const;

/** Any of these says that they are not. */
const ownVariables = ['REPLICA_MANAGER_ENDPOINTS_FILE', 'REPLICA_MANAGER_ENDPOINTS_URL'] as const;

/**
 * Reads the process's environment, or the one that is given.
 *
 * @throws RouterError `RPG_CONFIG_INVALID` with everything that is wrong, and never with a password
 */
export function readRouterEnvironment(environment: Environment = process.env): EnvironmentOptions {
  const read = new VariableReader(environment);
  const isSet = (name: (typeof guideVariables | typeof ownVariables)[number]) =>
    read.text(name) !== undefined;
  const isGuide = guideVariables.some(isSet) && !ownVariables.some(isSet);
  const where = isGuide ? readGuide(read) : readOwn(read);
  // The guide's ports are those of PgBouncer, and a server does as well without what is then left out.
  const behindPooler = read.flag('REPLICA_MANAGER_BEHIND_POOLER') ?? (isGuide || undefined);
  const options = { ...where, behindPooler, ...readPool(read) };
  if (read.problems.length > 0) throw new RouterError('RPG_CONFIG_INVALID', read.problems.join('; '));
  return options;
}

function readGuide(read: VariableReader): EnvironmentOptions {
  const { source, tls, useReadReplicas } = readGuideTopology(read);
  return { sources: source === undefined ? [] : [source], tls, useReadReplicas };
}

function readOwn(read: VariableReader): EnvironmentOptions {
  const endpointsFile = read.text('REPLICA_MANAGER_ENDPOINTS_FILE');
  const credentialsDir = read.text('REPLICA_MANAGER_CREDENTIALS_DIR');
  const tls = read.oneOf('REPLICA_MANAGER_TLS', ['verify-full', 'off']) ?? 'verify-full';
  const url = read.text('REPLICA_MANAGER_ENDPOINTS_URL');
  if (url === undefined) return { endpointsFile, credentialsDir, tls };
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    read.problems.push('REPLICA_MANAGER_ENDPOINTS_URL must look like http://host:4000/endpoints/stream');
    return {};
  }
  const stream = httpSource({ url, credentialsDir, tls });
  const isFileNamed = endpointsFile !== undefined;
  const file = isFileNamed ? [fileSource({ path: endpointsFile, credentialsDir, tls })] : [];
  return { sources: [stream, ...file], endpointsFile, credentialsDir, tls };
}

function readPool(read: VariableReader): EnvironmentOptions {
  const ownSize = read.count('REPLICA_MANAGER_POOL_SIZE', 1, maxCount);
  const guideSize = read.count('DB_MAX_CONNECTIONS', 1, maxCount);
  const poolSize = ownSize ?? guideSize;
  const minPoolSize = read.count('DB_MIN_CONNECTIONS', 0, maxCount);
  if (minPoolSize !== undefined && minPoolSize > (poolSize ?? 10)) {
    read.problems.push(
      `DB_MIN_CONNECTIONS must be at most DB_MAX_CONNECTIONS (${poolSize ?? 10}), not "${minPoolSize}"`,
    );
  }
  return {
    poolSize,
    minPoolSize,
    applicationName: read.text('REPLICA_MANAGER_APPLICATION_NAME'),
    idleTimeoutMs: read.durationMs('DB_MAX_IDLE_TIME'),
    maxLifetimeMs: read.durationMs('DB_MAX_LIFETIME'),
    connectTimeoutMs: read.durationMs('DB_CONNECTION_TIMEOUT'),
    statementTimeoutMs: read.durationMs('DB_QUERY_TIMEOUT'),
    replicaConnectTimeoutMs: read.durationMs('REPLICA_CONNECTION_TIMEOUT'),
    replicaStatementTimeoutMs: read.durationMs('REPLICA_QUERY_TIMEOUT'),
    healthCheckIntervalMs: read.milliseconds('REPLICA_HEALTH_CHECK_INTERVAL'),
  };
}
