// The operating system's lock on the volume, held for as long as the agent lives. After a pod was deleted by force its
// agent and server may still run while the next pod has the same volume on the same node.
//
// Invariant: who holds the lock is a process of ours that ends with us, however we end: it waits for the end of its input.
// Nothing is written to the volume; the lock is on the folder itself.

import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { AgentSettings } from './agentSettings.ts';
import { programEnvironment } from './program.ts';

/** `skipped`: there is no such lock here, and the log says why. */
type Attempt = { readonly kind: 'held' | 'taken' } | { readonly kind: 'skipped'; readonly reason: string };

const conflictExitCode = 75;
/** It does not wait for the lock; longer than this means that the volume itself hangs. */
const attemptTimeoutMs = 2_000;

export class VolumeLock {
  readonly #settings: AgentSettings;
  readonly #clock: Clock;
  readonly #log: Log;
  #holder: ChildProcess | undefined;
  #isSkipped = false;

  constructor(settings: AgentSettings, clock: Clock, log: Log) {
    this.#settings = settings;
    this.#clock = clock;
    this.#log = log;
  }

  /** Takes the lock unless it is ours already. False while somebody else holds it. */
  async take(): Promise<boolean> {
    if (this.#holder !== undefined || this.#isSkipped) return true;
    const attempt = await this.#attempt();
    if (attempt.kind !== 'skipped') return attempt.kind === 'held';
    this.#isSkipped = true;
    this.#log.warn(
      { reason: attempt.reason },
      'the volume is not locked: of two agents on it both may start PostgreSQL',
    );
    return true;
  }

  /** Resolves when the next one can take it. */
  async release(): Promise<void> {
    const holder = this.#holder;
    this.#holder = undefined;
    if (holder === undefined || holder.exitCode !== null || holder.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => {
      holder.once('exit', () => resolve());
    });
    holder.stdin?.end();
    await ended;
  }

  #attempt(): Promise<Attempt> {
    const options = [
      '--exclusive',
      '--nonblock',
      '--no-fork',
      '--conflict-exit-code',
      String(conflictExitCode),
    ];
    const command = [this.#settings.places.volumeDir, 'sh', '-c', 'echo held; exec cat >/dev/null'];
    const child = spawn('flock', [...options, ...command], {
      env: programEnvironment(this.#settings),
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    const late = new AbortController();
    return new Promise<Attempt>((resolve) => {
      let errors = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        errors = (errors + text).slice(-1_000);
      });
      child.stdin.on('error', () => {});
      child.stdout.once('data', () => {
        this.#holder = child;
        resolve({ kind: 'held' });
      });
      child.once('error', ({ message }) => resolve({ kind: 'skipped', reason: message }));
      child.once('close', (code) => {
        // The next cycle takes it again.
        if (this.#holder === child) this.#holder = undefined;
        const isTaken = code === conflictExitCode || code === null;
        resolve(isTaken ? { kind: 'taken' } : { kind: 'skipped', reason: errors.trim() });
      });
      this.#clock.sleep(attemptTimeoutMs, late.signal).then(
        () => child.kill('SIGKILL'),
        () => {},
      );
    }).finally(() => late.abort());
  }
}
