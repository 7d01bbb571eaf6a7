// The loop around a reconcile function. In: keys. Out: runs of `reconcile`, and what its outcome means for the queue.
//
// This is the one place where what a reconcile throws is caught, and the one switch on its outcome.

import type { Clock } from '../lib/clock.ts';
import { exhaustive } from '../lib/exhaustive.ts';
import type { Log } from '../lib/log.ts';
import type { Outcome } from '../lib/outcome.ts';
import { ApiError } from './apiError.ts';
import { withDeadline } from './deadline.ts';
import type { WorkQueue } from './workQueue.ts';

export type { Outcome } from '../lib/outcome.ts';

/** How one run ended, for metrics. */
export interface ReconcileResult {
  readonly key: string;
  readonly kind: Outcome['kind'] | 'failed';
  readonly durationMs: number;
}

export interface ControllerOptions {
  /** Appears in logs. */
  readonly name: string;
  readonly queue: WorkQueue;
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<Outcome>;
  /** Keys worked on at once; each has at most one request under way, so this also bounds requests. */
  readonly workers?: number;
  /** After this the signal given to `reconcile` is aborted and the run counts as failed. */
  readonly timeoutMs?: number;
  readonly onResult?: (result: ReconcileResult) => void;
  readonly clock: Clock;
  readonly log: Log;
}

const defaultWorkers = 4;

/** Long enough for a topology made from nothing against a slow server, with every request at its deadline but a few. */
const defaultTimeoutMs = 60_000;

/** Runs until the signal is aborted and what was under way has ended. */
export async function runController(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const { queue, workers = defaultWorkers } = options;
  await queue.run(workers, (key) => runOnce(key, options, signal), signal);
}

async function runOnce(key: string, options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const { clock, timeoutMs = defaultTimeoutMs } = options;
  const startedAt = clock.now();
  const late = () => new Error(`reconciling ${key} took longer than ${timeoutMs} ms`);
  let kind: ReconcileResult['kind'];
  try {
    const outcome = await withDeadline(
      clock,
      timeoutMs,
      late,
      (stop) => options.reconcile(key, stop),
      signal,
    );
    settle(key, outcome, options.queue);
    kind = outcome.kind;
  } catch (error) {
    if (signal.aborted) return;
    reportFailure(key, error, options);
    kind = 'failed';
  }
  options.onResult?.({ key, kind, durationMs: clock.now() - startedAt });
}

function settle(key: string, outcome: Outcome, queue: WorkQueue): void {
  queue.forget(key);
  switch (outcome.kind) {
    case 'settled':
    case 'blocked':
      return;
    case 'again':
      queue.addAfter(key, outcome.afterMs);
      return;
    default:
      exhaustive(outcome);
  }
}

function reportFailure(key: string, error: unknown, options: ControllerOptions): void {
  const failures = options.queue.failures(key) + 1;
  const retryInMs = Math.round(options.queue.addRateLimited(key));
  const facts = { controller: options.name, key, failures, retryInMs, err: error };
  // A conflict says that somebody was faster, which is everyday life and mended by reading again.
  if (error instanceof ApiError && error.isConflict)
    options.log.info(facts, 'reconciling met a newer object, trying again');
  else options.log.error(facts, 'reconciling failed, trying again');
}
