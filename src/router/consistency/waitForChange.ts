// Waits for the probes to tell something that makes a difference.
//
// Invariant: a wait ends with the first of answer, time and signal, and leaves nothing behind.

import type { Clock } from '../../lib/clock.ts';
import type { LagBook } from './lagBook.ts';

/** Whether it came to be so in time. Ask the prober to look before. @throws the signal's reason */
export async function waitForChange(
  book: LagBook,
  isSo: () => boolean,
  atMostMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  const reached = Promise.withResolvers<boolean>();
  const stop = book.onChange(() => {
    if (isSo()) reached.resolve(true);
  });
  if (stop === undefined) return false;
  const waited = new AbortController();
  const patience = clock.sleep(atMostMs, AbortSignal.any([signal, waited.signal])).then(() => false);
  try {
    return await Promise.race([reached.promise, patience]);
  } finally {
    stop();
    waited.abort();
    patience.catch(() => {});
  }
}
