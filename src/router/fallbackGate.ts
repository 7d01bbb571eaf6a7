// How many reads may be on the primary at once, and begin there per second, because no replica serves them.
//
// Invariant: no more than the given number is inside, and who waits is let in in the order of arrival. As long as nobody sets another
// number, half of the primary's connections stay free for writes, however many reads the replicas leave behind.

import type { Clock } from '../lib/clock.ts';

export interface FallbackLimits {
  /** Most reads at once. Default: half of the pool. */
  readonly concurrent?: number | undefined;
  /** Most reads that begin in a second, on the average. Default: as many as the slots serve. */
  readonly perSecond?: number | undefined;
}

/**
 * Each slot serves a queue that ten fast reads leave within one patience; a longer one would only make more
 * reads late before they fail all the same.
 */
const waitersPerSlot = 10;

/** What one second allows may begin in one moment, so that a burst after a calm second is not held up. */
const burstMs = 1_000;

export class FallbackGate {
  readonly #slots: number;
  readonly #intervalMs: number;
  readonly #letIn = new Set<() => void>();
  #inside = 0;
  /** When the bucket would be full again: it holds one burst, and each read takes one interval out of it. */
  #fullAtMs = Number.NEGATIVE_INFINITY;

  /** For pools of so many connections. */
  constructor(poolSize: number, limits: FallbackLimits = {}) {
    this.#slots = Math.max(1, limits.concurrent ?? Math.floor(poolSize / 2));
    this.#intervalMs = limits.perSecond === undefined ? 0 : 1_000 / limits.perSecond;
  }

  /** Whether there was room within the time. Who is let in calls `leave`. @throws the signal's reason */
  async enter(maxWaitMs: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
    const startedAtMs = clock.now();
    if (!(await this.#takeToken(maxWaitMs, clock, signal))) return false;
    if (this.#inside < this.#slots) {
      this.#inside += 1;
      return true;
    }
    if (this.#letIn.size >= this.#slots * waitersPerSlot) return false;
    const turn = Promise.withResolvers<void>();
    const letIn = () => turn.resolve();
    this.#letIn.add(letIn);
    const waited = new AbortController();
    const leftMs = Math.max(0, maxWaitMs - (clock.now() - startedAtMs));
    const patience = clock.sleep(leftMs, AbortSignal.any([signal, waited.signal]));
    await Promise.race([turn.promise, patience.catch(() => {})]);
    waited.abort();
    // Who is not in the queue any more has been given a slot, also when the time was up in the same moment.
    if (!this.#letIn.delete(letIn)) return true;
    signal.throwIfAborted();
    return false;
  }

  /** Gives the slot to who has waited longest. */
  leave(): void {
    const [letIn] = this.#letIn;
    if (letIn === undefined) {
      this.#inside -= 1;
      return;
    }
    this.#letIn.delete(letIn);
    letIn();
  }

  /** Reserves the next token and waits for it, unless that would take too long. */
  async #takeToken(maxWaitMs: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
    if (this.#intervalMs === 0) return true;
    const nowMs = clock.now();
    const fullAtMs = Math.max(this.#fullAtMs, nowMs) + this.#intervalMs;
    const waitMs = fullAtMs - nowMs - Math.max(burstMs, this.#intervalMs);
    if (waitMs > maxWaitMs) return false;
    this.#fullAtMs = fullAtMs;
    if (waitMs > 0) await clock.sleep(waitMs, signal);
    return true;
  }
}
