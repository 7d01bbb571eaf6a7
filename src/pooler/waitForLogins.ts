import type { Clock } from '../lib/clock.ts';
import type { AdminConsole } from './adminConsole.ts';

/** A login takes 10 to 30 ms with TLS and SCRAM. One that takes longer goes to a machine that is gone. */
const maxLoginMs = 500;
const lookAgainMs = 5;

/**
 * A login that RELOAD or PAUSE cuts off counts as failed, and until one succeeds PgBouncer turns new clients away with "server login
 * has been failing". So they come when no login is under way, or when logins go on for so long that they fail anyway.
 */
export async function waitForLogins(
  console: Pick<AdminConsole, 'run'>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const deadline = clock.now() + maxLoginMs;
  const isLoggingIn = async () =>
    (await console.run('SHOW POOLS')).some((row) => Number(row['sv_login']) > 0);
  while ((await isLoggingIn()) && clock.now() < deadline) await clock.sleep(lookAgainMs, signal);
}
