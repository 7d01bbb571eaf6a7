import pino from 'pino';
import type { PoolerKind } from '../api/names.ts';
import { inClusterClient } from '../kube/inClusterClient.ts';
import { systemClock } from '../lib/clock.ts';
import { type Environment, readPoolerEnvironment } from './poolerEnvironment.ts';
import { servePooler } from './servePooler.ts';

/**
 * `agent.mjs pooler rw|ro`: serves the pooler of the pod that it runs in until the signal is aborted.
 *
 * @throws Error when the environment is not that of a pooler's container, or a port or a mounted file is not to be had
 */
export async function runPooler(kind: PoolerKind, env: Environment, signal: AbortSignal): Promise<void> {
  const { settings, apiServer, version, logLevel } = readPoolerEnvironment(kind, env);
  const log = pino({
    level: logLevel,
    base: { component: 'pooler', kind, topology: settings.topology },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
  });
  const kube = inClusterClient({ ...apiServer, clock: systemClock, version, component: 'pooler' });
  try {
    await servePooler(kind, { settings, kube, clock: systemClock, random: Math.random, log }, signal);
  } finally {
    kube.close();
  }
}
