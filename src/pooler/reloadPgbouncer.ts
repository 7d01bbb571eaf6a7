// Makes a running PgBouncer follow its changed files, and sees to it that connections made before are given up.
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { AdminConsole } from './adminConsole.ts';
import { waitForLogins } from './waitForLogins.ts';

export interface ReloadDeps {
  readonly console: Pick<AdminConsole, 'run'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** PgBouncer closes idle connections to former hosts within its maintenance period, a third of a second. */
const giveUpMs = 2_000;
const lookAgainMs = 100;

/** What was answered before the change is with its client after this. */
const graceMs = 50;

/**
 * What becomes of connections to servers that are not to be used any more, after RELOAD.
 *
 * - `none`: there are none.
 * - `finish`: one in the middle of a transaction stays until its end.
 * - `drop`: that end would never come, or would be refused, because the server is not the primary any more. Its client is
 *   disconnected, as PgBouncer does when a server breaks.
 */
export type FormerConnections = 'none' | 'finish' | 'drop';

/**
 * RELOAD, and when servers are left behind wait until no connection from before is idle, or RECONNECT.
 *
 * @throws Error when PgBouncer does not answer; nothing is lost by trying again
 */
export async function reloadPgbouncer(
  former: FormerConnections,
  { console, clock, log }: ReloadDeps,
  signal: AbortSignal,
): Promise<void> {
  const isMoving = former !== 'none';
  const before = isMoving ? new Set((await console.run('SHOW SERVERS')).map(connectionOf)) : new Set();
  // A login to a former primary has no good end anyway.
  if (former === 'finish') await waitForLogins(console, clock, signal);
  await console.run('RELOAD');
  if (before.size === 0) return;
  if (former === 'drop') await dropTransactions(before, { console, clock, log }, signal);
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

async function dropTransactions(
  before: ReadonlySet<unknown>,
  { console, clock, log }: ReloadDeps,
  signal: AbortSignal,
): Promise<void> {
  await clock.sleep(graceMs, signal);
  const servers = (await console.run('SHOW SERVERS')).filter((row) => before.has(connectionOf(row)));
  const links = new Set(servers.map((row) => String(row['link'])).filter((link) => link !== ''));
  if (links.size === 0) return;
  const clients = (await console.run('SHOW CLIENTS')).filter((row) => links.has(String(row['ptr'])));
  for (const client of clients) {
    // It may have gone by itself.
    await console.run(`KILL_CLIENT ${connectionOf(client)}`).catch(() => {});
  }
  log.warn({ clients: clients.length }, 'clients in a transaction on the former primary were disconnected');
}

/** `id` counts connections and is never used twice. */
const connectionOf = (row: Readonly<Record<string, unknown>>): string => String(row['id']);

const isIdle = (row: Readonly<Record<string, unknown>>): boolean =>
  ['idle', 'used', 'tested'].includes(String(row['state']));
