import type { Clock } from '../lib/clock.ts';

/** False when it is not done after `atMostMs`. Leaves no timer behind, however it ends. @throws what `done` rejects with */
export async function isDoneInTime(done: Promise<unknown>, atMostMs: number, clock: Clock): Promise<boolean> {
  const cancel = new AbortController();
  const late = clock.sleep(atMostMs, cancel.signal).then(
    () => false,
    () => true,
  );
  try {
    return await Promise.race([done.then(() => true), late]);
  } finally {
    cancel.abort();
  }
}
