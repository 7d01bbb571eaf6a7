import { expect, test } from 'vitest';
import { WakeUp } from '../../src/pooler/wakeUp.ts';

const never = new AbortController().signal;

test('news that comes before anybody waits is not lost, and is told once', async () => {
  const wakeUp = new WakeUp();
  wakeUp.notify();
  wakeUp.notify();
  await wakeUp.wait(never);

  let hasWoken = false;
  const second = wakeUp.wait(never).then(() => {
    hasWoken = true;
  });
  await Promise.resolve();
  expect(hasWoken).toBe(false);
  wakeUp.notify();
  await second;
});

test('an aborted signal ends the wait', async () => {
  const stop = new AbortController();
  const waiting = new WakeUp().wait(stop.signal);
  stop.abort();

  await waiting;
});
