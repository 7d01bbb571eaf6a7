// How old what a read sees may be.

import { RouterError } from '../routerError.ts';

/**
 * - `eventual`: as old as the topology's `maxLagSeconds` allows.
 * - `read-your-writes`: never older than what this scope has written or read before; without a scope, than what this pool has written.
 * - `{ maxLagMs }` (bounded): no older than that, and never older than this scope's own writes.
 * - `strong`: the newest there is, which only the primary has.
 */
export type Consistency = 'eventual' | 'read-your-writes' | 'strong' | { readonly maxLagMs: number };

export const consistencyProblem =
  'consistency must be eventual, read-your-writes, strong or { maxLagMs } of 1 or more';

export function isConsistency(level: unknown): boolean {
  if (level === 'read-your-writes' || level === 'eventual' || level === 'strong') return true;
  if (typeof level !== 'object' || level === null || !('maxLagMs' in level)) return false;
  return typeof level.maxLagMs === 'number' && level.maxLagMs >= 1;
}

/** Of a call or a scope; undefined asks for nothing. @throws RouterError `RPG_CONFIG_INVALID` */
export function assertConsistency(level: unknown): void {
  if (level !== undefined && !isConsistency(level))
    throw new RouterError('RPG_CONFIG_INVALID', consistencyProblem);
}
