// How many reads may be on the primary at once because no replica serves them.
//
// Invariant: no more than the given number is inside, and who waits is let in in the order of arrival. Half
// of the primary's connections stay free for writes, however many reads the replicas leave behind.

import type { Clock } from '../lib/clock.ts';

/**
 * Each slot serves a queue that ten fast reads leave within one patience; a longer one would only make more
 * reads late before they fail all the same.
 */
const waitersPerSlot = 10;

export class FallbackGate {
  readonly #slots: number;
  readonly #letIn = new Set<() => void>();
  #inside = 0;

  /** For pools of so many connections. */
  constructor(poolSize: number) {
    this.#slots = Math.max(1, Math.floor(poolSize / 2));
  }

  /** Whether there was room within the time. Who is let in calls `leave`. @throws the signal's reason */
  async enter(maxWaitMs: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
    if (this.#inside < this.#slots) {
      this.#inside += 1;
      return true;
    }
    if (this.#letIn.size >= this.#slots * waitersPerSlot) return false;
    const turn = Promise.withResolvers<void>();
    const letIn = () => turn.resolve();
    this.#letIn.add(letIn);
    const waited = new AbortController();
    const patience = clock.sleep(maxWaitMs, AbortSignal.any([signal, waited.signal]));
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
}
