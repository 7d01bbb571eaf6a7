// PgBouncer as a child that is started again whenever it dies, until it is asked to go.
//
// Invariant: at most one PgBouncer runs, and its log leaves as our log.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type BackoffBounds, backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { parsePgbouncerLogLine } from './pgbouncerLogLine.ts';

export interface PgbouncerProcessDeps {
  /** Path or name of the program. */
  readonly program: string;
  readonly iniFile: string;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/** A crash costs clients little when the next start is quick; a wrong configuration must not spin. */
const restartBounds: BackoffBounds = { firstMs: 100, maxMs: 5_000, jitter: 0.2 };

/** Who ran this long was well, its next crash is a new story. */
const healthyAfterMs = 60_000;

/** All that PgBouncer gets of an environment: where Debian and others put it. */
const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export class PgbouncerProcess {
  readonly #deps: PgbouncerProcessDeps;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #isWanted = true;

  constructor(deps: PgbouncerProcessDeps) {
    this.#deps = deps;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** Keeps PgBouncer running until the signal; whoever aborts it then ends PgBouncer with `signal` and `exited`. */
  async supervise(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#deps;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const startedAt = clock.now();
      this.#start();
      await this.#exited;
      if (signal.aborted || !this.#isWanted) return;
      if (clock.now() - startedAt > healthyAfterMs) attempt = 0;
      const waitMs = backoffMs(attempt, restartBounds, random());
      log.error({ waitMs, attempt }, 'pgbouncer is gone and is started again');
      await clock.sleep(waitMs, signal).catch(() => {});
    }
  }

  /** From now on PgBouncer may end; the signal is lost when it has. */
  send(signal: NodeJS.Signals): void {
    this.#isWanted = false;
    this.#child?.kill(signal);
  }

  /** Resolves when no PgBouncer runs. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  #start(): void {
    const { program, iniFile, log } = this.#deps;
    const child = spawn(program, [iniFile], { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: searchPath } });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        const { level, message } = parsePgbouncerLogLine(line);
        log[level]({ program: 'pgbouncer' }, message);
      });
    }
    this.#exited = new Promise((resolve) => {
      child.on('error', (error) => {
        log.error(
          { err: error, program },
          'pgbouncer cannot be started, use an image that has it in its PATH',
        );
        this.#child = undefined;
        resolve();
      });
      child.on('exit', (code, killedBy) => {
        log.info({ code, signal: killedBy }, 'pgbouncer ended');
        this.#child = undefined;
        resolve();
      });
    });
  }
}
