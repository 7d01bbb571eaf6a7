// Keys that want to be worked on. In: keys, as often as anybody likes. Out: each key to one worker at a time.
//
// Invariant: a key that is added is worked on at least once after that moment, and never by two workers at once.
// Adding it while it waits changes nothing; adding it while it is worked on makes it run once more afterwards.

import { assert } from '../lib/assert.ts';
import { type BackoffBounds, backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { TokenBucket, type TokenBucketBounds } from './tokenBucket.ts';

export interface WorkQueueDeps {
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
}

export interface WorkQueueBounds {
  /** Of one key that keeps failing. */
  readonly backoff?: BackoffBounds;
  /** Of all retries together. */
  readonly retries?: TokenBucketBounds;
}

/** A conflict or a hiccup is over in a quarter of a second; half a minute bounds how late we notice that a fault is over. */
const defaultBackoff: BackoffBounds = { firstMs: 250, maxMs: 30_000, jitter: 0.3 };

/** When everything fails at once, what follows is a trickle and not a storm. */
const defaultRetries: TokenBucketBounds = { perSecond: 10, burst: 50 };

export class WorkQueue<Key extends string = string> {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #backoff: BackoffBounds;
  readonly #bucket: TokenBucket;
  readonly #waiting = new Set<Key>();
  readonly #inFlight = new Set<Key>();
  /** In flight, and added again since. */
  readonly #again = new Set<Key>();
  readonly #dueAt = new Map<Key, number>();
  readonly #failures = new Map<Key, number>();
  readonly #takers: (() => void)[] = [];
  #alarm: AbortController | undefined;
  #isRunning = false;

  constructor(deps: WorkQueueDeps, bounds: WorkQueueBounds = {}) {
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#backoff = bounds.backoff ?? defaultBackoff;
    this.#bucket = new TokenBucket(bounds.retries ?? defaultRetries, deps.clock.now());
  }

  /** Keys that could be worked on now. */
  get depth(): number {
    return this.#waiting.size;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Keys that wait for their time. */
  get delayed(): number {
    return this.#dueAt.size;
  }

  /** How often this key has failed since it was last forgotten. */
  failures(key: Key): number {
    return this.#failures.get(key) ?? 0;
  }

  add(key: Key): void {
    if (this.#inFlight.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#waiting.add(key);
    this.#takers.shift()?.();
  }

  /** Adds the key later. When it is already to be added later, the earlier time counts. */
  addAfter(key: Key, afterMs: number): void {
    if (afterMs <= 0) {
      this.add(key);
      return;
    }
    const dueAt = this.#clock.now() + afterMs;
    const known = this.#dueAt.get(key);
    if (known !== undefined && known <= dueAt) return;
    this.#dueAt.set(key, dueAt);
    this.#setAlarm();
  }

  /** Counts a failure of this key and adds it after a wait that doubles with each. Returns the wait. */
  addRateLimited(key: Key): number {
    const failures = this.failures(key);
    this.#failures.set(key, failures + 1);
    const turnMs = this.#bucket.take(this.#clock.now());
    const afterMs = Math.max(turnMs, backoffMs(failures, this.#backoff, this.#random()));
    this.addAfter(key, afterMs);
    return afterMs;
  }

  /** The key has succeeded: its next failure is a first one. */
  forget(key: Key): void {
    this.#failures.delete(key);
  }

  /**
   * Works on keys, `workers` at a time, until the signal is aborted. Resolves when what is in flight has ended.
   *
   * `work` must not throw; what is thrown ends all workers and is thrown from here.
   */
  async run(workers: number, work: (key: Key) => Promise<void>, signal: AbortSignal): Promise<void> {
    assert(workers >= 1 && !this.#isRunning, 'a work queue runs once, with at least one worker');
    this.#isRunning = true;
    const stop = new AbortController();
    const onAbort = () => {
      stop.abort();
      for (const wake of this.#takers.splice(0)) wake();
      this.#alarm?.abort();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    this.#setAlarm();
    try {
      await Promise.all(Array.from({ length: workers }, () => this.#runWorker(work, stop.signal, onAbort)));
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#alarm?.abort();
      this.#isRunning = false;
    }
  }

  async #runWorker(work: (key: Key) => Promise<void>, stop: AbortSignal, stopAll: () => void): Promise<void> {
    while (!stop.aborted) {
      const [key] = this.#waiting;
      if (key === undefined) {
        await new Promise<void>((resolve) => this.#takers.push(resolve));
        continue;
      }
      this.#waiting.delete(key);
      this.#inFlight.add(key);
      try {
        await work(key);
      } catch (error) {
        stopAll();
        throw error;
      } finally {
        this.#inFlight.delete(key);
        if (this.#again.delete(key)) this.add(key);
      }
    }
  }

  /** One timer for all keys, set to the earliest. Only while the queue runs, so that nothing is left behind. */
  #setAlarm(): void {
    this.#alarm?.abort();
    if (!this.#isRunning || this.#dueAt.size === 0) return;
    const alarm = new AbortController();
    this.#alarm = alarm;
    const earliest = Math.min(...this.#dueAt.values());
    this.#clock.sleep(Math.max(0, earliest - this.#clock.now()), alarm.signal).then(
      () => this.#addDue(),
      () => {},
    );
  }

  #addDue(): void {
    const now = this.#clock.now();
    for (const [key, dueAt] of this.#dueAt) {
      if (dueAt > now) continue;
      this.#dueAt.delete(key);
      this.add(key);
    }
    this.#setAlarm();
  }
}
