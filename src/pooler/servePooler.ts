// The agent of a pooler pod: keeps a PgBouncer running that leads where the endpoints document says.
//
// In: the topology's documents through the API, mounted certificates and password. Out: pgbouncer.ini, users.txt, a
// PgBouncer that uses them, /livez, /readyz and /metrics.
// Invariant: nothing that goes missing (API server, documents, a primary) makes a working PgBouncer stop or change.
import { chmod, rename, writeFile } from 'node:fs/promises';
import type { PoolerKind } from '../api/names.ts';
import type { TopologyConfig } from '../api/topologyConfig.ts';
import type { EndpointsDocument } from '../endpoints/index.ts';
import type { KubeClient } from '../kube/client.ts';
import { type BackoffBounds, backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { AdminConsole } from './adminConsole.ts';
import { type DrainBounds, drainPgbouncer } from './drainPgbouncer.ts';
import { type PgbouncerSettings, pgbouncerIni } from './pgbouncerIni.ts';
import { PgbouncerProcess } from './pgbouncerProcess.ts';
import { planPause } from './planPause.ts';
import { poolerMetrics } from './poolerMetrics.ts';
import { PoolerPause } from './poolerPause.ts';
import { type PoolerSecretFiles, type PoolerSecrets, readPoolerSecrets } from './poolerSecrets.ts';
import { openPoolerServers, type PoolerServers } from './poolerServers.ts';
import { type PoolerTargets, poolerTargets } from './poolerTargets.ts';
import { reloadPgbouncer } from './reloadPgbouncer.ts';
import { WakeUp } from './wakeUp.ts';
import { type PoolerDocuments, watchDocuments } from './watchDocuments.ts';

export interface PoolerSettings extends PgbouncerSettings, PoolerSecretFiles {
  readonly namespace: string;
  readonly topology: string;
  /** PgBouncer 1.24 or newer. */
  readonly program: string;
  readonly probesPort: number;
  readonly metricsPort: number;
  /** How often mounted certificates and passwords are looked at. */
  readonly secretsPeriodMs: number;
  readonly drain: DrainBounds;
}

export interface PoolerDeps {
  readonly settings: PoolerSettings;
  readonly kube: KubeClient;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

const retryBounds: BackoffBounds = { firstMs: 200, maxMs: 5_000, jitter: 0.2 };

/** Runs until the signal is aborted, then drains PgBouncer and resolves. @throws Error when it cannot start at all */
export async function servePooler(kind: PoolerKind, deps: PoolerDeps, signal: AbortSignal): Promise<void> {
  const { settings, clock, log } = deps;
  const { namespace, topology } = settings;
  const wakeUp = new WakeUp();
  const pooler = createPooler(deps, () => wakeUp.notify());
  const servers = await openServers(kind, pooler, settings, signal);
  const watching = watchDocuments(
    pooler.documents,
    { namespace, topology, onChange: () => wakeUp.notify() },
    { ...deps, client: deps.kube },
    signal,
  );
  const ticking = notifyEvery(settings.secretsPeriodMs, wakeUp, clock, signal);
  log.info({ kind, namespace, topology }, 'pooler started, waiting for its documents');
  for (let failures = 0; !signal.aborted; ) {
    try {
      await follow(kind, pooler, servers, deps, signal);
      failures = 0;
      await wakeUp.wait(signal);
    } catch (error) {
      if (signal.aborted) break;
      log.error({ err: error, failures }, 'following the documents failed and is tried again');
      await clock.sleep(backoffMs(failures, retryBounds, deps.random()), signal).catch(() => {});
      failures += 1;
    }
  }
  log.info({}, 'pooler is leaving');
  await pooler.pause.end(pooler.console, 'the pooler is leaving').catch((error: unknown) => {
    log.warn({ err: error }, 'pgbouncer stays paused until its end');
  });
  await drainPgbouncer({ ...deps, pgbouncer: pooler.pgbouncer, console: pooler.console }, settings.drain);
  await Promise.all([watching, ticking, pooler.supervising]);
  await servers.close();
}

interface Applied {
  readonly ini: string;
  readonly digest: string;
  readonly targets: PoolerTargets | null;
}

interface Pooler {
  readonly documents: PoolerDocuments;
  readonly console: AdminConsole;
  readonly pgbouncer: PgbouncerProcess;
  readonly pause: PoolerPause;
  applied: Applied | undefined;
  supervising: Promise<void> | undefined;
}

function createPooler(deps: PoolerDeps, onExpired: () => void): Pooler {
  const { runDir, listenPort, program } = deps.settings;
  return {
    documents: { config: null, endpoints: null },
    console: new AdminConsole({ runDir, port: listenPort }),
    pause: new PoolerPause({ runDir, port: listenPort }, { ...deps, onExpired }),
    pgbouncer: new PgbouncerProcess({ ...deps, program, iniFile: `${runDir}/pgbouncer.ini` }),
    applied: undefined,
    supervising: undefined,
  };
}

async function openServers(
  kind: PoolerKind,
  pooler: Pooler,
  settings: PoolerSettings,
  signal: AbortSignal,
): Promise<PoolerServers> {
  const { probesPort, metricsPort } = settings;
  const unready = () => unreadyReason(pooler, signal);
  const metricsText = poolerMetrics(kind, pooler.console);
  const secrets = await readPoolerSecrets(settings);
  return openPoolerServers({ probesPort, metricsPort, unreadyReason: unready, metricsText }, secrets);
}

/** Facts, decision, effects: once, for what is known now. */
async function follow(
  kind: PoolerKind,
  pooler: Pooler,
  servers: PoolerServers,
  deps: PoolerDeps,
  signal: AbortSignal,
): Promise<void> {
  const { config, endpoints } = pooler.documents;
  if (config === null || endpoints === null) return;
  const { pause } = pooler;
  const planned = planPause(kind, endpoints, deps.clock.now(), pause.memory);
  // Where there is no PgBouncer yet there is nobody to keep waiting.
  if (
    planned.pause !== undefined &&
    planned.pause.id !== pause.memory.pause?.id &&
    pooler.applied !== undefined
  ) {
    await pause.end(pooler.console, 'another switchover is announced');
    pause.begin(planned.pause.id, planned.pause.untilMs);
  }
  pause.memory = planned;
  try {
    await followTargets(kind, pooler, servers, deps, signal);
  } catch (error) {
    if (pause.isOverdue) await pause.end(pooler.console, 'its time is over');
    throw error;
  }
  if (planned.pause === undefined) await pause.end(pooler.console, 'no switchover is announced any more');
}

async function followTargets(
  kind: PoolerKind,
  pooler: Pooler,
  servers: PoolerServers,
  deps: PoolerDeps,
  signal: AbortSignal,
): Promise<void> {
  const { config, endpoints } = pooler.documents;
  if (config === null || endpoints === null) return;
  const secrets = await readPoolerSecrets(deps.settings);
  const wanted = planPooler(kind, config, endpoints, secrets, pooler.applied, deps.settings);
  if (wanted === undefined) return;
  servers.renewCertificate(secrets);
  await applyPooler(kind, wanted, secrets, pooler, deps, signal);
  pooler.applied = wanted;
  const { hosts } = wanted.targets ?? { hosts: [] };
  deps.log.info({ epoch: endpoints.epoch, generation: endpoints.generation, hosts }, 'pgbouncer follows');
}

/** What PgBouncer should be told; undefined when it knows, or when there is no primary to start with. */
function planPooler(
  kind: PoolerKind,
  config: TopologyConfig,
  endpoints: EndpointsDocument,
  secrets: PoolerSecrets,
  applied: Applied | undefined,
  settings: PoolerSettings,
): Applied | undefined {
  if (applied === undefined && endpoints.primary === null) return undefined;
  const targets = poolerTargets(kind, endpoints, applied?.targets ?? null);
  const ini = pgbouncerIni(kind, config.pooler, targets, settings);
  const isKnown = applied?.ini === ini && applied.digest === secrets.digest;
  return isKnown ? undefined : { ini, targets, digest: secrets.digest };
}

async function applyPooler(
  kind: PoolerKind,
  wanted: Applied,
  secrets: PoolerSecrets,
  pooler: Pooler,
  deps: PoolerDeps,
  signal: AbortSignal,
): Promise<void> {
  const { runDir } = deps.settings;
  await writeWhole(`${runDir}/users.txt`, secrets.users);
  await writeWhole(`${runDir}/pgbouncer.ini`, wanted.ini);
  if (pooler.supervising === undefined) {
    pooler.supervising = pooler.pgbouncer.supervise(signal);
    return;
  }
  // One that is not there reads the files when it starts.
  if (!pooler.pgbouncer.isRunning) return;
  const isMoving = JSON.stringify(wanted.targets) !== JSON.stringify(pooler.applied?.targets);
  const former = isMoving ? (kind === 'rw' ? 'drop' : 'finish') : 'none';
  await reloadPgbouncer(former, { ...deps, console: pooler.console }, signal);
}

/** Appears complete or not at all, and nobody else may read it. */
async function writeWhole(file: string, text: string): Promise<void> {
  const draft = `${file}.new`;
  await writeFile(draft, text, { mode: 0o600 });
  // The mode counts only when the file is made, and a draft may have been left behind.
  await chmod(draft, 0o600);
  await rename(draft, file);
}

async function unreadyReason(pooler: Pooler, signal: AbortSignal): Promise<string | undefined> {
  if (signal.aborted) return 'leaving';
  if (pooler.applied === undefined) return 'waiting for a primary';
  if (pooler.applied.targets === null) return 'no server takes reads';
  await pooler.console.run('SHOW VERSION');
  return undefined;
}

async function notifyEvery(
  periodMs: number,
  wakeUp: WakeUp,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(periodMs, signal).catch(() => {});
    wakeUp.notify();
  }
}
