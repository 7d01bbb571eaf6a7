// Waits for the probe that tells that a replica has caught up.
//
// Invariant: a wait ends with the first of position, time and signal, and leaves nothing behind.

import type { Clock } from '../../lib/clock.ts';
import type { LagBook } from './lagBook.ts';
import type { LagView } from './lagView.ts';
import type { WaitPlan } from './planWait.ts';

/** Whether it has caught up in time. Ask the prober to look before. @throws the signal's reason */
export async function waitForReplica(
  book: LagBook,
  plan: Extract<WaitPlan, { kind: 'wait' }>,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  if (hasReached(book.view, plan)) return true;
  const reached = Promise.withResolvers<void>();
  const stop = book.onChange(() => {
    if (hasReached(book.view, plan)) reached.resolve();
  });
  if (stop === undefined) return false;
  const waited = new AbortController();
  const patience = clock.sleep(plan.atMostMs, AbortSignal.any([signal, waited.signal]));
  try {
    await Promise.race([reached.promise, patience]);
    return hasReached(book.view, plan);
  } finally {
    stop();
    waited.abort();
    patience.catch(() => {});
  }
}

function hasReached({ primary, replicas }: LagView, plan: Extract<WaitPlan, { kind: 'wait' }>): boolean {
  const replica = replicas.get(plan.instance);
  if (replica === undefined || replica.replayed === null || replica.timeline !== plan.timeline) return false;
  return primary?.timeline === plan.timeline && replica.replayed >= plan.lsn;
}
