// One PostgreSQL server as a direct child: start, reload, stop, and what it says.
//
// Invariants: never two servers on one data directory; a start waits until nothing is left of the last one.
// Signals as PostgreSQL means them: SIGTERM smart, SIGINT fast, SIGQUIT immediate, SIGHUP reload.

import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, rm, writeFile } from 'node:fs/promises';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { StopMode } from '../plan/instanceFacts.ts';
import { ErrorLogReader, type LogRecord } from '../postgres/errorLog.ts';
import type { AgentSettings } from './agentSettings.ts';
import { volumePaths } from './agentSettings.ts';
import { programEnvironment } from './program.ts';
import { endServerProcesses, kill, removeLockFiles, serverProcesses } from './serverProcesses.ts';

export type ServerRole = 'primary' | 'replica';

export type ProcessState =
  | { readonly kind: 'stopped'; readonly sinceMs: number; readonly exits: number }
  | { readonly kind: 'started'; readonly as: ServerRole; readonly sinceMs: number }
  /** Told to end, or ended by itself while processes of it may be left. */
  | { readonly kind: 'stopping'; readonly as: ServerRole; readonly mode: StopMode };

export interface ServerDeps {
  readonly settings: AgentSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** Told when the process ends, whoever ended it. */
  readonly onExit: () => void;
  readonly onRecord: (record: LogRecord) => void;
}

/**
 * How an ordered stop spends the pod's grace period of 60 s. The checkpoint comes first because a fast stop
 * writes one as well, and the first runs while clients are still served. The sum leaves 10 s for the agent.
 */
export const stopBudget = { checkpointMs: 20_000, fastMs: 25_000, immediateMs: 5_000 } as const;

/** The server is silent for this long after a report: then the report is complete. */
const logQuietMs = 50;

export class PostgresServer {
  readonly #deps: ServerDeps;
  readonly #pgdata: string;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #state: ProcessState;
  #exits = 0;

  constructor(deps: ServerDeps) {
    this.#deps = deps;
    this.#pgdata = volumePaths(deps.settings.places).pgdata;
    this.#state = { kind: 'stopped', sinceMs: deps.clock.now(), exits: 0 };
  }

  get state(): ProcessState {
    return this.#state;
  }

  /** The server answered: earlier exits are forgiven. */
  noteAnswer(): void {
    this.#exits = 0;
  }

  /** Resolves when the process runs, which is long before it answers. */
  async start(as: ServerRole, programDir: string, signal: AbortSignal): Promise<void> {
    if (this.#state.kind !== 'stopped') return;
    const { settings, clock } = this.#deps;
    await endServerProcesses(this.#pgdata, clock, signal);
    await removeLockFiles(this.#pgdata, settings.places.socketDir, settings.postgresPort);
    // A volume that was mounted with a group of its own may have got wider rights; the server would refuse them.
    await chmod(this.#pgdata, 0o700);
    const standby = `${this.#pgdata}/standby.signal`;
    if (as === 'replica') await writeFile(standby, '', { mode: 0o600 });
    else await rm(standby, { force: true });
    this.#spawn(as, programDir);
  }

  reload(): void {
    this.#signal('SIGHUP');
  }

  /**
   * Stops the server and waits until every process of it is gone.
   *
   * `ordered`: a checkpoint by `checkpoint`, then a fast stop, then an immediate one, each within its part of
   * `stopBudget`. `immediate`: as after a loss of power; at most `immediateMs`, then SIGKILL. It overtakes an ordered one.
   */
  async stop(mode: StopMode, checkpoint: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const state = this.#state;
    if (state.kind === 'stopped') return;
    const ended = this.#ended;
    if (state.kind === 'stopping' && (mode === 'ordered' || state.mode === 'immediate')) return ended;
    const { log } = this.#deps;
    this.#state = { kind: 'stopping', as: state.as, mode };
    if (mode === 'ordered') {
      await this.#checkpoint(checkpoint);
      this.#signal('SIGINT');
      if (await this.#within(stopBudget.fastMs, ended)) return;
      log.warn({ afterMs: stopBudget.fastMs }, 'PostgreSQL did not stop in order and is stopped at once');
    }
    this.#signal('SIGQUIT');
    if (await this.#within(stopBudget.immediateMs, ended)) return;
    for (const pid of await serverProcesses(this.#pgdata)) kill(pid, 'SIGKILL');
    await ended;
  }

  async #checkpoint(checkpoint: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const late = new AbortController();
    try {
      const work = checkpoint(late.signal);
      // Its failure is only of interest while somebody waits for it.
      work.catch(() => {});
      if (!(await this.#within(stopBudget.checkpointMs, Promise.race([work, this.#ended])))) {
        this.#deps.log.warn(
          { afterMs: stopBudget.checkpointMs },
          'the checkpoint before the stop takes too long',
        );
      }
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'the checkpoint before the stop failed');
    } finally {
      late.abort();
    }
  }

  async #within(limitMs: number, done: Promise<void>): Promise<boolean> {
    const timer = new AbortController();
    const late = this.#deps.clock.sleep(limitMs, timer.signal).then(
      () => false,
      () => true,
    );
    try {
      return await Promise.race([done.then(() => true), late]);
    } finally {
      timer.abort();
    }
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#child?.pid !== undefined) kill(this.#child.pid, signal);
  }

  #spawn(as: ServerRole, programDir: string): void {
    const { settings, clock, log, onExit } = this.#deps;
    const child = spawn(`${programDir}/postgres`, ['-D', this.#pgdata], {
      env: programEnvironment(settings),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#state = { kind: 'started', as, sinceMs: clock.now() };
    child.stdout.setEncoding('utf8');
    child.stderr.setEncoding('utf8');
    const finish = this.#readLog(child);
    this.#ended = new Promise((resolve) => {
      // `exit`, not `close`: orphans of a killed postmaster keep the pipes open.
      const onEnd = (code: number | null, exitSignal: string | null, error?: Error) => {
        const asked = this.#state.kind === 'stopping';
        if (!asked) this.#exits += 1;
        if (!asked) this.#state = { kind: 'stopping', as, mode: 'immediate' };
        this.#child = undefined;
        finish();
        const facts = { code, signal: exitSignal, exits: this.#exits, ...(error && { err: error }) };
        if (asked) log.info(facts, 'PostgreSQL has stopped');
        else log.error(facts, 'PostgreSQL ended by itself');
        void this.#endRest().then(() => {
          this.#state = { kind: 'stopped', sinceMs: clock.now(), exits: this.#exits };
          resolve();
          onExit();
        });
      };
      child.once('exit', onEnd);
      child.once('error', (error) => {
        if (child.pid === undefined) onEnd(null, null, error);
      });
    });
  }

  /** Without its main process a server still writes for a moment. Who does not go even then is in the way of the next start. */
  async #endRest(): Promise<void> {
    const { clock, log } = this.#deps;
    try {
      await endServerProcesses(this.#pgdata, clock, new AbortController().signal);
    } catch (error) {
      log.error({ err: error }, 'something of PostgreSQL is left');
    }
  }

  /** Gives every report to `onRecord`; the returned function gives out the last one. */
  #readLog(child: ChildProcess): () => void {
    const reader = new ErrorLogReader();
    const { onRecord } = this.#deps;
    let timer: AbortController | undefined;
    const drain = () => reader.drain().forEach(onRecord);
    child.stderr?.on('data', (text: string) => {
      reader.push(text).forEach(onRecord);
      timer?.abort();
      timer = new AbortController();
      this.#deps.clock.sleep(logQuietMs, timer.signal).then(drain, () => {});
    });
    child.stdout?.on('data', (text: string) => reader.push(text).forEach(onRecord));
    return () => {
      timer?.abort();
      drain();
    };
  }
}
