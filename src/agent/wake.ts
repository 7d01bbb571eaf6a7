// Ends the pause between two cycles early, when something has happened that the next one should see.

import type { Clock } from '../lib/clock.ts';

export class Wake {
  #called = false;
  #pause: AbortController | undefined;

  now(): void {
    this.#called = true;
    this.#pause?.abort();
  }

  /** Waits for `delayMs` or a call of `now`, also one that came since the last pause. */
  async pause(delayMs: number, clock: Clock): Promise<void> {
    if (!this.#called) {
      this.#pause = new AbortController();
      await clock.sleep(delayMs, this.#pause.signal).catch(() => {});
    }
    this.#called = false;
    this.#pause = undefined;
  }
}
