/** Bounds of a retry: the first delay, the longest one, and how much of it is random (0 to 1). */
export interface BackoffBounds {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly jitter: number;
}

/**
 * How long to wait before retry number `attempt` (0 is the first retry).
 *
 * Doubles from `firstMs` up to `maxMs`, then takes off up to `jitter` of it, so that many clients
 * that lost the same server do not come back in the same millisecond.
 *
 * @param random a number in [0, 1), handed in so that the result is a function of its arguments
 */
export function backoffMs(attempt: number, bounds: BackoffBounds, random: number): number {
  const exponent = Math.min(attempt, 30);
  const full = Math.min(bounds.maxMs, bounds.firstMs * 2 ** exponent);
  return full * (1 - bounds.jitter * random);
}
