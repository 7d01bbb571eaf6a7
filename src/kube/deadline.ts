// Every wait for the API server ends: by its answer, by its deadline or by the caller's signal.

import type { Clock } from '../lib/clock.ts';

/**
 * Runs `work` with a signal that is aborted by `signal` or, after `timeoutMs`, with `late` as its reason.
 *
 * Listener and timer are gone when it returns, so a signal that lives as long as the process does not collect them.
 */
export async function withDeadline<T>(
  clock: Clock,
  timeoutMs: number,
  late: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  signal?.throwIfAborted();
  const stop = new AbortController();
  const timerStop = new AbortController();
  const onAbort = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  clock.sleep(timeoutMs, timerStop.signal).then(
    () => stop.abort(late()),
    () => {},
  );
  try {
    return await work(stop.signal);
  } finally {
    timerStop.abort();
    signal?.removeEventListener('abort', onAbort);
  }
}
