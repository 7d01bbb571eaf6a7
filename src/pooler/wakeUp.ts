/** Lets one loop sleep until somebody has news for it. News that comes while it is awake is not lost. */
export class WakeUp {
  #isPending = false;
  #resume: (() => void) | undefined;

  notify(): void {
    this.#isPending = true;
    this.#resume?.();
  }

  /** Resolves at the next news, at once when there was some since the last call, and when the signal is aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#isPending && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#resume = resolve;
      const onAbort = () => resolve();
      signal.addEventListener('abort', onAbort, { once: true });
      await promise;
      signal.removeEventListener('abort', onAbort);
      this.#resume = undefined;
    }
    this.#isPending = false;
  }
}
