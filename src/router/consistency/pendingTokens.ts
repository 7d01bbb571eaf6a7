// When this process first had each token that has no position, so that the next sample of the primary settles it for every later
// request that brings it.
//
// Invariant: no token is taken for older than it is. One that is forgotten is as if it had just come.

import { randomBytes } from 'node:crypto';

/** Some hundred bytes each. They are settled within a quarter of a second, so this is room for 40 000 writes a second. */
const maxTokens = 10_000;

export class PendingTokens {
  /** In the order in which they came. */
  readonly #hadAtMs = new Map<string, number>();
  readonly #process = randomBytes(9).toString('base64url');
  #issued = 0;

  /** Since when this process has had the token: the time of issue, for one of its own. */
  hadAt(token: string, nowMs: number): number {
    const known = this.#hadAtMs.get(token);
    if (known !== undefined) return known;
    this.#hadAtMs.set(token, nowMs);
    if (this.#hadAtMs.size > maxTokens) {
      for (const oldest of this.#hadAtMs.keys()) {
        this.#hadAtMs.delete(oldest);
        break;
      }
    }
    return nowMs;
  }

  /** Never the same, in whatever process. */
  nextNonce(): string {
    this.#issued += 1;
    return `${this.#process}${this.#issued.toString(36)}`;
  }
}
