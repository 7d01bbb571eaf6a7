// The service as a program of its own: a router that follows the topology, and the handler on a port.
//
// Invariant: once it is told to stop it takes no new connection, answers what is under way, ends the streams, and is
// gone within `maxDrainMs`.

import { createServer, type Server } from 'node:http';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { createReplicaManager, type ReplicaManager } from '../router/createReplicaManager.ts';
import { createServiceHandler } from './createServiceHandler.ts';
import { isDoneInTime } from './isDoneInTime.ts';
import type { ServiceSettings } from './serviceEnvironment.ts';

export interface ServiceDeps {
  readonly clock: Clock;
  readonly log: Log;
}

/** Every answer takes milliseconds; Kubernetes and Compose kill after 30 and 10 s. */
const maxDrainMs = 5_000;

/** No request has a body, so a slow one is an attack or a dead peer. */
const maxRequestMs = 10_000;

/** As often as the router asks where there are replicas. */
const askEveryMs = 1_000;

/** Scrapers, alarms and the streams of applications, with room; a flood is refused instead of filling the memory. */
const maxConnections = 1_000;

/** Serves until the signal is aborted. Rejects when it cannot listen. */
export async function runService(
  settings: ServiceSettings,
  { clock, log }: ServiceDeps,
  signal: AbortSignal,
): Promise<void> {
  const manager = createReplicaManager({ ...settings.router, log });
  const handler = createServiceHandler(manager, { isReady: () => !signal.aborted });
  const server = createServer(
    { requestTimeout: maxRequestMs, headersTimeout: maxRequestMs },
    (request, response) => handler(request, response),
  );
  server.maxConnections = maxConnections;
  try {
    const port = await listen(server, settings);
    log.info({ port }, 'serving');
    await askAlonePrimary(manager, clock, signal);
    handler.close();
    await drain(server, clock);
  } finally {
    const isEnded = await isDoneInTime(manager.end(), maxDrainMs, clock);
    if (!isEnded) log.warn({}, 'some connections to the databases did not close in time');
  }
  log.info({}, 'stopped');
}

async function listen(server: Server, { host, port }: ServiceSettings): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ port, host }, resolve);
  try {
    await promise;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE') throw error;
    throw new Error(`port ${port} is taken by another program, set REPLICA_MANAGER_PORT to a free one`, {
      cause: error,
    });
  }
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

/**
 * Until the signal is aborted. A router whose topology has no replicas asks nobody by itself; the connection that this keeps open
 * tells whether the primary is there.
 */
async function askAlonePrimary(manager: ReplicaManager, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { primary, replicas } = manager.status();
    const isAlone = primary !== null && replicas.length === 0 && primary.observed === null;
    const asked = isAlone ? manager.getWriteDatabase().exec('SELECT 1') : undefined;
    await asked?.catch(() => {});
    await clock.sleep(askEveryMs, signal).catch(() => {});
  }
}

/** Node closes what is idle at once and the others as soon as they are answered. */
async function drain(server: Server, clock: Clock): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  if (!(await isDoneInTime(promise, maxDrainMs, clock))) server.closeAllConnections();
}
