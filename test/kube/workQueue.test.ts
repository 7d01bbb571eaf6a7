import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { WorkQueue, type WorkQueueBounds } from '../../src/kube/workQueue.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import { forever } from './kubeFixtures.ts';

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** Lets promises that are ready run. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A queue whose work ends when the test says so. */
function working(workers: number, bounds?: WorkQueueBounds) {
  const clock = new ManualClock();
  const queue = new WorkQueue({ clock, random: () => 0 }, bounds);
  const started: string[] = [];
  const underWay = new Map<string, () => void>();
  const stop = new AbortController();
  stops.push(stop);
  const running = queue.run(
    workers,
    (key) => {
      started.push(key);
      return new Promise<void>((resolve) => underWay.set(key, resolve));
    },
    stop.signal,
  );
  const finish = async (key: string) => {
    underWay.get(key)?.();
    underWay.delete(key);
    await turn();
  };
  return { clock, queue, started, finish, stop, running };
}

test('a key added many times before its turn runs once', async () => {
  const { queue, started, finish } = working(1);

  queue.add('a');
  for (let i = 0; i < 5; i += 1) queue.add('b');
  await turn();
  await finish('a');
  await finish('b');

  expect(started).toEqual(['a', 'b']);
});

test('keys are worked on in the order in which they came, as many at once as there are workers', async () => {
  const { queue, started, finish } = working(2);

  for (const key of ['a', 'b', 'c', 'd']) queue.add(key);
  await turn();
  expect({ started: [...started], inFlight: queue.inFlight, depth: queue.depth }).toEqual({
    started: ['a', 'b'],
    inFlight: 2,
    depth: 2,
  });
  await finish('b');

  expect(started).toEqual(['a', 'b', 'c']);
});

test('a key added while it is worked on runs once more, and only after that', async () => {
  const { queue, started, finish } = working(2);
  queue.add('a');
  await turn();

  queue.add('a');
  queue.add('a');
  await turn();
  expect(started).toEqual(['a']);
  await finish('a');
  await finish('a');

  expect(started).toEqual(['a', 'a']);
  expect(queue.inFlight).toBe(0);
});

test('of several delays of one key the shortest counts', async () => {
  const { clock, queue, started } = working(1);

  queue.addAfter('a', 5_000);
  queue.addAfter('a', 1_000);
  queue.addAfter('a', 9_000);
  clock.advance(999);
  await turn();
  expect(started).toEqual([]);
  clock.advance(1);
  await turn();

  expect(started).toEqual(['a']);
  expect(queue.delayed).toBe(0);
});

test('a delay of nothing is no delay', async () => {
  const { queue, started } = working(1);

  queue.addAfter('a', 0);
  await turn();

  expect(started).toEqual(['a']);
});

test('delays are kept while nobody works yet', async () => {
  const clock = new ManualClock();
  const queue = new WorkQueue({ clock, random: () => 0 });
  queue.addAfter('a', 1_000);
  expect(clock.sleeps).toEqual([]);
  const stop = new AbortController();
  stops.push(stop);
  const started: string[] = [];

  void queue.run(1, async (key) => void started.push(key), stop.signal);
  await clock.pass(1_000);
  await turn();

  expect(started).toEqual(['a']);
});

test('a key that keeps failing waits twice as long each time, up to the bound, until it is forgotten', () => {
  const { queue } = working(1, { backoff: { firstMs: 100, maxMs: 700, jitter: 0 } });

  const waits = Array.from({ length: 5 }, () => queue.addRateLimited('a'));
  expect(waits).toEqual([100, 200, 400, 700, 700]);
  expect(queue.failures('a')).toBe(5);
  expect(queue.addRateLimited('b')).toBe(100);
  queue.forget('a');

  expect({ failures: queue.failures('a'), wait: queue.addRateLimited('a') }).toEqual({
    failures: 0,
    wait: 100,
  });
});

test('when everything fails at once, retries come in a trickle', () => {
  const { clock, queue } = working(1, {
    backoff: { firstMs: 100, maxMs: 100, jitter: 0 },
    retries: { perSecond: 2, burst: 3 },
  });
  const fail = (count: number, from: string) =>
    Array.from({ length: count }, (_, i) => queue.addRateLimited(`${from}${i}`));

  expect(fail(6, 'a')).toEqual([100, 100, 100, 500, 1_000, 1_500]);
  clock.advance(3_000);
  expect(fail(4, 'b')).toEqual([100, 100, 100, 500]);
});

test('when it is stopped, what is under way ends, nothing new begins and no timer is left', async () => {
  const { clock, queue, started, finish, stop, running } = working(1);
  queue.add('a');
  queue.add('b');
  queue.addAfter('c', 1_000);
  await turn();
  let hasEnded = false;
  void running.then(() => {
    hasEnded = true;
  });

  stop.abort();
  await turn();
  expect(hasEnded).toBe(false);
  await finish('a');
  await running;

  expect(started).toEqual(['a']);
  expect(clock.sleeps).toEqual([]);
});

test('a queue that is stopped before it runs ends at once', async () => {
  const queue = new WorkQueue({ clock: new ManualClock(), random: () => 0 });
  queue.add('a');

  await queue.run(3, () => Promise.reject(new Error('must not run')), AbortSignal.abort());

  expect(queue.depth).toBe(1);
});

test('work that throws is a bug and ends the queue with its error', async () => {
  const queue = new WorkQueue({ clock: new ManualClock(), random: () => 0 });
  queue.add('a');

  await expect(queue.run(2, () => Promise.reject(new Error('a bug')), forever())).rejects.toThrow('a bug');
});

type Move = readonly ['add' | 'finish' | 'addAfter' | 'advance', number];

test('whatever the order, a key is never worked on twice at once and always once after it was last added', async () => {
  const moves = fc.array(
    fc.tuple(
      fc.constantFrom('add', 'finish', 'addAfter', 'advance'),
      fc.nat({ max: 3 }),
    ) as fc.Arbitrary<Move>,
    { maxLength: 40 },
  );
  await fc.assert(
    fc.asyncProperty(moves, fc.integer({ min: 1, max: 3 }), async (sequence, workers) => {
      const { clock, queue, finish, stop, running, started } = working(workers);
      const owed = new Set<string>();
      let taken = 0;
      const look = () => {
        const fresh = started.slice(taken);
        taken = started.length;
        for (const key of fresh) owed.delete(key);
        expect(queue.inFlight).toBeLessThanOrEqual(workers);
      };
      for (const [move, n] of sequence) {
        const key = `key${n}`;
        if (move === 'add' || move === 'addAfter') owed.add(key);
        if (move === 'add') queue.add(key);
        if (move === 'addAfter') queue.addAfter(key, n * 100 + 1);
        if (move === 'advance') clock.advance(n * 100);
        if (move === 'finish') await finish(key);
        await turn();
        look();
      }
      clock.advance(1_000);
      for (let round = 0; round < 10; round += 1) {
        for (let n = 0; n <= 3; n += 1) await finish(`key${n}`);
        look();
      }
      expect([...owed]).toEqual([]);
      expect({ depth: queue.depth, inFlight: queue.inFlight, delayed: queue.delayed }).toEqual({
        depth: 0,
        inFlight: 0,
        delayed: 0,
      });
      stop.abort();
      await running;
    }),
    { numRuns: 60 },
  );
});
