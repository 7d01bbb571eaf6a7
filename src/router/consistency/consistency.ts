// How old what a read sees may be.

/**
 * - `eventual`: as old as the topology's `maxLagSeconds` allows.
 * - `read-your-writes`: never older than what this scope has written or read before; without a scope, than what this pool has written.
 * - `{ maxLagMs }` (bounded): no older than that, and never older than this scope's own writes.
 * - `strong`: the newest there is, which only the primary has.
 */
export type Consistency = 'eventual' | 'read-your-writes' | 'strong' | { readonly maxLagMs: number };
