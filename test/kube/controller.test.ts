import { expect, test } from 'vitest';
import { ApiError } from '../../src/kube/apiError.ts';
import { type Outcome, type ReconcileResult, runController } from '../../src/kube/controller.ts';
import { WorkQueue } from '../../src/kube/workQueue.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import { recordingLog, until } from './kubeFixtures.ts';

type Reconcile = (key: string, signal: AbortSignal) => Promise<Outcome>;

/** Runs each of these in turn for one key that is added once, until `end`. */
function control(...runs: Reconcile[]) {
  const clock = new ManualClock();
  const queue = new WorkQueue({ clock, random: () => 0 });
  const log = recordingLog();
  const results: ReconcileResult[] = [];
  const stop = new AbortController();
  const reconcile: Reconcile = (key, signal) => {
    const run = runs.shift();
    return run === undefined ? Promise.resolve({ kind: 'settled' }) : run(key, signal);
  };
  queue.add('shop/orders');
  const running = runController(
    { name: 'topology', queue, reconcile, onResult: (it) => results.push(it), clock, log },
    stop.signal,
  );
  const end = async () => {
    stop.abort();
    await running;
  };
  const ran = (count: number) => until(() => results.length === count);
  return { clock, queue, log, results, ran, end };
}

const settled: Outcome = { kind: 'settled' };

test.each<[Outcome, number]>([
  [settled, 0],
  [{ kind: 'blocked', reason: 'the Secret is missing' }, 0],
  [{ kind: 'again', afterMs: 5_000 }, 1],
])('%j forgets earlier failures and leaves %i delayed runs', async (outcome, delayed) => {
  const { queue, ran, end, results, clock } = control(
    () => Promise.reject(new Error('first')),
    () => Promise.resolve(outcome),
  );

  await ran(1);
  expect(queue.failures('shop/orders')).toBe(1);
  await clock.pass(250);
  await ran(2);

  expect(results.map(({ kind }) => kind)).toEqual(['failed', outcome.kind]);
  expect({ failures: queue.failures('shop/orders'), delayed: queue.delayed }).toEqual({
    failures: 0,
    delayed,
  });
  await end();
});

test('again runs again after its time', async () => {
  const { clock, ran, end } = control(() => Promise.resolve({ kind: 'again', afterMs: 5_000 }));

  await ran(1);
  await clock.pass(5_000);
  await ran(2);

  await end();
});

test('what is thrown is logged with its cause, counted and tried again after a wait that doubles', async () => {
  const error = new Error('cannot write', { cause: new Error('socket') });
  const { clock, log, ran, end } = control(
    () => Promise.reject(error),
    () => Promise.reject(error),
  );

  await ran(1);
  await clock.pass(250);
  await ran(2);

  expect(log.lines).toEqual(
    [
      { failures: 1, retryInMs: 250 },
      { failures: 2, retryInMs: 500 },
    ].map((facts) => ({
      level: 'error',
      message: 'reconciling failed, trying again',
      facts: { controller: 'topology', key: 'shop/orders', err: error, ...facts },
    })),
  );
  await end();
});

test('a conflict is everyday life and not an error in the log', async () => {
  const { log, ran, end } = control(() =>
    Promise.reject(new ApiError({ status: 409, reason: 'Conflict', message: 'modified' })),
  );

  await ran(1);

  expect(log.lines.map(({ level }) => level)).toEqual(['info']);
  await end();
});

test('a run that takes too long is aborted and counts as failed', async () => {
  const { clock, log, results, ran, end } = control(
    (_key, signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  );

  await clock.pass(60_000);
  await ran(1);

  expect(results).toEqual([{ key: 'shop/orders', kind: 'failed', durationMs: 60_000 }]);
  expect(log.lines[0]?.facts).toMatchObject({
    err: new Error('reconciling shop/orders took longer than 60000 ms'),
  });
  await end();
});

test('a run that is cut short by the end of the program is neither logged nor tried again', async () => {
  let hasStarted = false;
  const { log, queue, results, end } = control((_key, signal) => {
    hasStarted = true;
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  await until(() => hasStarted);

  await end();

  expect({ lines: log.lines, results, delayed: queue.delayed }).toEqual({
    lines: [],
    results: [],
    delayed: 0,
  });
});
