// Ends the pause between two cycles early, when something has happened that the next one should see.

import type { Clock } from '../lib/clock.ts';

export class Wake {
  #called = false;
  #pause: AbortController | undefined;

  now(): void {
    this.#called = true;
    this.#pause?.abort();
  }

  /** Waits for `delayMs`, for a call of `now`, also one that came since the last pause, or for the signal. */
  async pause(delayMs: number, clock: Clock, signal?: AbortSignal): Promise<void> {
    if (!this.#called && signal?.aborted !== true) {
      const pause = new AbortController();
      this.#pause = pause;
      const onAbort = () => pause.abort();
      signal?.addEventListener('abort', onAbort, { once: true });
      await clock.sleep(delayMs, pause.signal).catch(() => {});
      signal?.removeEventListener('abort', onAbort);
    }
    this.#called = false;
    this.#pause = undefined;
  }
}
