/** How often something may happen on average, and how many times in one go. */
export interface TokenBucketBounds {
  readonly perSecond: number;
  readonly burst: number;
}

/** Hands out turns. A turn can be taken before it is due; whoever takes it waits as long as it is told. */
export class TokenBucket {
  readonly #bounds: TokenBucketBounds;
  #tokens: number;
  #at: number;

  /** @param now monotonic milliseconds */
  constructor(bounds: TokenBucketBounds, now: number) {
    this.#bounds = bounds;
    this.#tokens = bounds.burst;
    this.#at = now;
  }

  /** Takes a turn, and tells in how many milliseconds it is due. */
  take(now: number): number {
    this.#refill(now);
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#bounds.perSecond) * 1000;
  }

  /** Takes a turn only if one is due now. */
  tryTake(now: number): boolean {
    this.#refill(now);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #refill(now: number): void {
    const gained = ((now - this.#at) / 1000) * this.#bounds.perSecond;
    this.#tokens = Math.min(this.#bounds.burst, this.#tokens + gained);
    this.#at = now;
  }
}
