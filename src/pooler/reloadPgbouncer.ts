// Makes a running PgBouncer follow its changed files, and sees to it that connections made before are given up.
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { AdminConsole } from './adminConsole.ts';

export interface ReloadDeps {
  readonly console: Pick<AdminConsole, 'run'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** PgBouncer closes idle connections to former hosts within its maintenance period, a third of a second. */
const giveUpMs = 2_000;
const lookAgainMs = 100;

/** A login takes 10 to 30 ms with TLS and SCRAM. */
const maxLoginMs = 500;
const lookAgainForLoginsMs = 5;

/**
 * RELOAD, and when `isMoving` (the servers differ) wait until no connection from before is idle, or RECONNECT.
 *
 * A connection in the middle of a transaction stays until the transaction ends.
 * @throws Error when PgBouncer does not answer; nothing is lost by trying again
 */
export async function reloadPgbouncer(
  isMoving: boolean,
  { console, clock, log }: ReloadDeps,
  signal: AbortSignal,
): Promise<void> {
  const before = isMoving ? new Set((await console.run('SHOW SERVERS')).map(connectionOf)) : new Set();
  if (isMoving) await waitForLogins({ console, clock, log }, signal);
  await console.run('RELOAD');
  if (before.size === 0) return;
  const deadline = clock.now() + giveUpMs;
  const countIdle = async () =>
    (await console.run('SHOW SERVERS')).filter((row) => before.has(connectionOf(row)) && isIdle(row)).length;
  let idle = await countIdle();
  while (idle > 0 && clock.now() < deadline) {
    await clock.sleep(lookAgainMs, signal);
    idle = await countIdle();
  }
  if (idle === 0) return;
  log.warn({ idle }, 'server connections outlived a change of servers, all are made anew');
  await console.run('RECONNECT');
}

/**
 * A login that RELOAD cuts off counts as failed, and for a second PgBouncer turns clients away with "server login has been
 * failing". So it comes when no login is under way, or when logins go on for so long that they fail anyway.
 */
async function waitForLogins({ console, clock }: ReloadDeps, signal: AbortSignal): Promise<void> {
  const deadline = clock.now() + maxLoginMs;
  const isLoggingIn = async () =>
    (await console.run('SHOW POOLS')).some((row) => Number(row['sv_login']) > 0);
  while ((await isLoggingIn()) && clock.now() < deadline) await clock.sleep(lookAgainForLoginsMs, signal);
}

/** `id` counts connections and is never used twice. */
const connectionOf = (row: Readonly<Record<string, unknown>>): string => String(row['id']);

const isIdle = (row: Readonly<Record<string, unknown>>): boolean =>
  ['idle', 'used', 'tested'].includes(String(row['state']));
