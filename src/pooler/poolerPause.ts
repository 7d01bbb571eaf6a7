// Keeps the clients of a PgBouncer waiting while the primary role moves.
//
// Invariant: PgBouncer is paused at most as long as the plan says. PAUSE waits for transactions that run, so that it has a console
// connection of its own: the answer may never come, and the other console must not wait behind it. A pause is no more than a
// courtesy to clients, so that it never fails anything.
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { AdminConsole, type AdminConsoleOptions } from './adminConsole.ts';
import { noPause, type PauseMemory } from './planPause.ts';
import { waitForLogins } from './waitForLogins.ts';

export interface PoolerPauseDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Called when the time of a pause is over. */
  readonly onExpired: () => void;
}

export class PoolerPause {
  readonly #options: AdminConsoleOptions;
  readonly #deps: PoolerPauseDeps;
  #waiting: AdminConsole | undefined;
  #expiry = new AbortController();
  #untilMs = 0;
  memory: PauseMemory = noPause;

  constructor(options: AdminConsoleOptions, deps: PoolerPauseDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  get isOverdue(): boolean {
    return this.#waiting !== undefined && this.#deps.clock.now() >= this.#untilMs;
  }

  /** From now on no transaction begins. Returns at once. */
  begin(id: string, untilMs: number): void {
    const { clock, log, onExpired } = this.#deps;
    const console = new AdminConsole(this.#options);
    const patienceMs = Math.max(1, untilMs - clock.now());
    this.#waiting = console;
    this.#untilMs = untilMs;
    this.#expiry = new AbortController();
    clock.sleep(patienceMs, this.#expiry.signal).then(onExpired, () => {});
    log.info({ id, patienceMs }, 'a switchover is announced, clients wait');
    this.#pause(console, patienceMs, this.#expiry.signal).then(
      () => log.info({ id }, 'pgbouncer is paused, every transaction has ended'),
      (error: unknown) => {
        if (this.#waiting === console)
          log.warn({ id, err: error }, 'pgbouncer could not be paused, transactions go on');
      },
    );
  }

  /** Pools that have a connection open no other, so that no login is cut off. RELOAD undoes it. */
  async #pause(console: AdminConsole, patienceMs: number, signal: AbortSignal): Promise<void> {
    await console.run('SET default_pool_size = 1');
    await waitForLogins(console, this.#deps.clock, signal);
    await console.run('PAUSE', patienceMs);
  }

  /** @throws Error when PgBouncer does not answer; nothing is lost by trying again */
  async end(console: Pick<AdminConsole, 'run'>, why: string): Promise<void> {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    await waiting.close();
    // When this is answered, everything that was sent before the other console was closed has been read.
    await console.run('SHOW VERSION');
    await console.run('RELOAD');
    if (await isPaused(console)) await console.run('RESUME');
    this.#waiting = undefined;
    this.#expiry.abort();
    this.#deps.log.info({}, `clients are served again: ${why}`);
  }
}

async function isPaused(console: Pick<AdminConsole, 'run'>): Promise<boolean> {
  const rows = await console.run('SHOW STATE');
  return rows.some((row) => row['key'] === 'paused' && row['value'] === 'yes');
}
