// The settings of `replica-manager serve`: environment in, settings or everything that is wrong with them out.

import { readRouterEnvironment } from '../router/routerEnvironment.ts';
import { RouterError } from '../router/routerError.ts';
import { type ReplicaManagerOptions, readRouterOptions } from '../router/routerOptions.ts';
import { type LogLevel, logLevels } from './jsonLog.ts';

export interface ServiceSettings {
  /** Undefined: every address of the machine. */
  readonly host: string | undefined;
  /** 0 takes any that is free. */
  readonly port: number;
  readonly logLevel: LogLevel;
  readonly router: ReplicaManagerOptions;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The guide's port. */
const defaultPort = 4_000;

/** `REPLICA_MANAGER_PORT` counts before `PORT`, which a platform may set for all it runs. */
export function readServiceEnvironment(
  environment: Environment,
): ServiceSettings | { readonly problems: readonly string[] } {
  const problems: string[] = [];
  const portName = environment['REPLICA_MANAGER_PORT'] ? 'REPLICA_MANAGER_PORT' : 'PORT';
  const portText = environment[portName] || String(defaultPort);
  const port = Number(portText);
  if (!/^\d{1,5}$/.test(portText) || port > 65_535) {
    problems.push(`${portName} must be a port number from 0 to 65535, not "${portText}"`);
  }
  const logLevel = environment['LOG_LEVEL'] || 'info';
  if (!isLogLevel(logLevel)) {
    problems.push(`LOG_LEVEL must be one of ${logLevels.join(', ')}, not "${logLevel}"`);
  }
  const router = readRouter(environment, problems);
  if (problems.length > 0 || router === undefined || !isLogLevel(logLevel)) return { problems };
  return { host: environment['REPLICA_MANAGER_HOST'] || undefined, port, logLevel, router };
}

/**
 * The program exists to know, and has no traffic that would make its router look more often. With a look every half minute a lag
 * could only be told to half a minute. One small statement a second is nothing to a server.
 */
const maxHealthCheckIntervalMs = 1_000;

/** What the router refuses joins the list, so that all mistakes are told at once. */
function readRouter(environment: Environment, problems: string[]): ReplicaManagerOptions | undefined {
  try {
    const options = readRouterEnvironment(environment);
    readRouterOptions(options);
    const intervalMs = options.healthCheckIntervalMs ?? maxHealthCheckIntervalMs;
    return { ...options, healthCheckIntervalMs: Math.min(intervalMs, maxHealthCheckIntervalMs) };
  } catch (error) {
    if (!(error instanceof RouterError)) throw error;
    problems.push(...error.message.split('; '));
    return undefined;
  }
}

function isLogLevel(text: string): text is LogLevel {
  return (logLevels as readonly string[]).includes(text);
}
