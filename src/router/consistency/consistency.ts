// How old what a read sees may be.

/**
 * - `eventual`: as old as the topology's `maxLagSeconds` allows.
 * - `read-your-writes`: never older than what this scope (or, without one, this pool) has written or read before.
 * - `{ maxLagMs }` (bounded): no older than that, and never older than this scope's own writes.
 * - `strong`: the newest there is, which only the primary has.
 */
export type Consistency = 'eventual' | 'read-your-writes' | 'strong' | { readonly maxLagMs: number };
