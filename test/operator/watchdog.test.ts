import { expect, test } from 'vitest';
import { LeaderElector } from '../../src/kube/leaderElection.ts';
import { Watchdog } from '../../src/operator/watchdog.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import { clientOf, recordingLog } from '../kube/kubeFixtures.ts';

test('a cycle that goes on for twice its deadline is trouble until it ends', async () => {
  const clock = new ManualClock();
  const dog = new Watchdog(clock);
  const { promise, resolve } = Promise.withResolvers<string>();
  const ended = dog.reconciling('shop/orders', () => promise);

  clock.advance(120_000);
  expect(dog.trouble).toBeUndefined();
  clock.advance(1);
  expect(dog.trouble).toBe('reconciling shop/orders has not ended for 120 s');
  resolve('done');
  expect(await ended).toBe('done');
  expect(dog.trouble).toBeUndefined();
});

test('a cycle that fails is no trouble', async () => {
  const clock = new ManualClock();
  const dog = new Watchdog(clock);
  await expect(dog.reconciling('shop/orders', () => Promise.reject(new Error('refused')))).rejects.toThrow(
    'refused',
  );
  clock.advance(600_000);

  expect(dog.trouble).toBeUndefined();
});

test('an election that goes on without an API server is no trouble, one that stands still is', async () => {
  const clock = new ManualClock();
  const dog = new Watchdog(clock);
  const client = clientOf(new URL('http://localhost:1'));
  const deps = { client, clock: dog.electionClock, random: () => 0, log: recordingLog() };
  const elector = new LeaderElector(deps, {
    lease: { namespace: 'system', name: 'operator' },
    identity: 'a',
  });
  clock.advance(600_000);
  expect(dog.trouble).toBeUndefined();

  const stop = new AbortController();
  const ended = elector.run(() => Promise.resolve(), stop.signal);
  for (let turn = 1; turn <= 90; turn += 1) {
    await clock.pass(2_000);
    expect(dog.trouble).toBeUndefined();
  }
  await clock.slept(2_000);
  stop.abort();
  expect(await ended).toBe('stopped');
  clock.advance(120_001);
  expect(dog.trouble).toBe('the election has stood still for 120 s');
  client.close();
});
