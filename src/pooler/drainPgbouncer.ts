// The end of a pooler, without an error for clients that can go elsewhere: first no more news of it, then no more
// connections, then no more transactions, then no more PgBouncer.
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { AdminConsole } from './adminConsole.ts';
import type { PgbouncerProcess } from './pgbouncerProcess.ts';

export interface DrainDeps {
  readonly pgbouncer: PgbouncerProcess;
  readonly console: AdminConsole;
  readonly clock: Clock;
  readonly log: Log;
}

/** The phases, in order. Their sum stays below the pod's grace period of 30 s, after which all is killed. */
export interface DrainBounds {
  /** kube-proxy on every node takes about a second to stop sending new connections here. */
  readonly acceptMs: number;
  /** Pools of applications close what is idle for 10 s, as pg does by default. */
  readonly leaveMs: number;
  /** For transactions that run; new ones wait. */
  readonly finishMs: number;
  readonly dieMs: number;
}

export const drainBounds: DrainBounds = { acceptMs: 3_000, leaveMs: 14_000, finishMs: 6_000, dieMs: 2_000 };

const lookAgainMs = 250;

/** Resolves when no PgBouncer runs. Never rejects. */
export async function drainPgbouncer(deps: DrainDeps, bounds: DrainBounds): Promise<void> {
  const { pgbouncer, console, clock, log } = deps;
  const { signal } = new AbortController();
  // Also opens the console: PgBouncer takes its socket away when it stops accepting.
  await countClients(console);
  // Also with no client: kube-proxy still sends new ones here.
  if (pgbouncer.isRunning) await clock.sleep(bounds.acceptMs, signal);
  pgbouncer.send('SIGTERM');
  const left = await waitForClients(console, clock, clock.now() + bounds.leaveMs, signal);
  if (left > 0) {
    log.info({ clients: left }, 'clients stayed, their transactions may end before they are disconnected');
    await console.run('PAUSE', bounds.finishMs).catch((error: unknown) => {
      log.warn({ err: error }, 'transactions did not end in time and are cut off');
    });
  }
  await console.close();
  pgbouncer.send('SIGQUIT');
  const patience = new AbortController();
  await Promise.race([pgbouncer.exited, clock.sleep(bounds.dieMs, patience.signal).catch(() => {})]);
  patience.abort();
  if (pgbouncer.isRunning) pgbouncer.send('SIGKILL');
  await pgbouncer.exited;
}

async function waitForClients(
  console: AdminConsole,
  clock: Clock,
  deadline: number,
  signal: AbortSignal,
): Promise<number> {
  let left = (await countClients(console)) ?? 0;
  while (left > 0 && clock.now() < deadline) {
    await clock.sleep(lookAgainMs, signal);
    left = (await countClients(console)) ?? 0;
  }
  return left;
}

/** Clients besides ourselves; undefined when PgBouncer does not answer. */
async function countClients(console: AdminConsole): Promise<number | undefined> {
  try {
    const rows = await console.run('SHOW CLIENTS');
    return rows.filter((row) => row['database'] !== 'pgbouncer').length;
  } catch {
    return undefined;
  }
}
