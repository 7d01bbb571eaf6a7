// Notices that the process hangs, so that the kubelet starts it anew.
//
// Invariant: only what hangs in here counts. An API server that is away makes requests fail, each at its deadline, and with
// that every loop turns all the same.

import type { Clock } from '../lib/clock.ts';

/** A cycle is told to end at its deadline. One that runs for twice as long does not listen. */
export const reconcileDeadlineMs = 60_000;
const reconcileHangsMs = 2 * reconcileDeadlineMs;

/** The election turns every two seconds, or when its requests have timed out after five. */
const electionHangsMs = 120_000;

export class Watchdog {
  readonly #clock: Clock;
  readonly #running = new Set<{ readonly key: string; readonly startedAt: number }>();
  /** Undefined before the election begins, which waits for the caches however long that takes. */
  #electionTurnedAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** One sentence when something hangs; undefined when all is well. */
  get trouble(): string | undefined {
    const now = this.#clock.now();
    const hanging = [...this.#running].find(({ startedAt }) => now - startedAt > reconcileHangsMs);
    if (hanging !== undefined)
      return `reconciling ${hanging.key} has not ended for ${reconcileHangsMs / 1000} s`;
    const turnedAt = this.#electionTurnedAt;
    if (turnedAt !== undefined && now - turnedAt > electionHangsMs)
      return `the election has stood still for ${electionHangsMs / 1000} s`;
    return undefined;
  }

  /** Runs one cycle under watch. */
  async reconciling<T>(key: string, run: () => Promise<T>): Promise<T> {
    const running = { key, startedAt: this.#clock.now() };
    this.#running.add(running);
    try {
      return await run();
    } finally {
      this.#running.delete(running);
    }
  }

  /** The clock for the election: each of its turns sleeps once at least. */
  get electionClock(): Clock {
    return {
      now: () => this.#clock.now(),
      wallNow: () => this.#clock.wallNow(),
      sleep: (delayMs, signal) => {
        this.#electionTurnedAt = this.#clock.now();
        return this.#clock.sleep(delayMs, signal);
      },
    };
  }
}
