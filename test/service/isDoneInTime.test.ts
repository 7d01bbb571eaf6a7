import { expect, test } from 'vitest';
import { isDoneInTime } from '../../src/service/isDoneInTime.ts';
import { ManualClock } from '../fixtures/manualClock.ts';

test('what is done in time, or fails, leaves no timer behind', async () => {
  const clock = new ManualClock();
  expect(await isDoneInTime(Promise.resolve(), 5_000, clock)).toBe(true);
  expect(clock.sleeps).toEqual([]);
  const failing = Promise.reject(new Error('a pool does not close'));
  await expect(isDoneInTime(failing, 5_000, clock)).rejects.toThrow('a pool does not close');
  expect(clock.sleeps).toEqual([]);
});

test('what takes longer is not waited for', async () => {
  const clock = new ManualClock();
  const done = isDoneInTime(new Promise(() => {}), 5_000, clock);
  clock.advance(5_000);
  expect(await done).toBe(false);
});
