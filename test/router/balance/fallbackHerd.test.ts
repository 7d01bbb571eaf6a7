// What the primary gets when all replicas vanish at once.

import { setImmediate as turnOfEvents } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { FallbackGate, type FallbackLimits } from '../../../src/router/fallbackGate.ts';
import { ManualClock } from '../../fixtures/manualClock.ts';

/** A thousand reads that come in the same moment, each of which takes 10 ms on the primary. */
async function herd(limits: FallbackLimits, poolSize = 10, reads = 1_000, maxWaitMs = 5_000) {
  const clock = new ManualClock();
  const gate = new FallbackGate(poolSize, limits);
  const { signal } = new AbortController();
  const startedAtMs: number[] = [];
  let [inside, most, refused] = [0, 0, 0];
  const began = clock.now();
  const all = Array.from({ length: reads }, async () => {
    if (!(await gate.enter(maxWaitMs, clock, signal))) {
      refused += 1;
      return;
    }
    startedAtMs.push(clock.now() - began);
    inside += 1;
    most = Math.max(most, inside);
    await clock.sleep(10, signal);
    inside -= 1;
    gate.leave();
  });
  const done = Promise.all(all);
  let isDone = false;
  void done.then(() => {
    isDone = true;
  });
  while (!isDone) {
    await turnOfEvents();
    clock.advance(1);
  }
  return { most, refused, startedAtMs };
}

test('a herd is let in by half of the connections, and what would wait for too long is refused', async () => {
  const { most, refused, startedAtMs } = await herd({});

  expect({ most, refused, served: startedAtMs.length }).toEqual({ most: 5, refused: 945, served: 55 });
});

test('the number of reads at once can be set', async () => {
  expect(await herd({ concurrent: 2 })).toMatchObject({ most: 2, refused: 978 });
});

test('reads per second can be limited: a burst, then one after the other', async () => {
  const { refused, startedAtMs } = await herd({ concurrent: 1_000, perSecond: 100 }, 10, 1_000, 2_000);
  const startedBy = (ms: number) => startedAtMs.filter((at) => at <= ms).length;

  expect({ refused, at0: startedBy(0), at1000: startedBy(1_001) }).toEqual({
    refused: 700,
    at0: 100,
    at1000: 200,
  });
});

test('a burst after a calm time is let in again', async () => {
  const clock = new ManualClock();
  const gate = new FallbackGate(1_000, { perSecond: 10 });
  const { signal } = new AbortController();
  const enterMany = () => Promise.all(Array.from({ length: 15 }, () => gate.enter(0, clock, signal)));
  const letIn = async () => (await enterMany()).filter(Boolean).length;

  expect(await letIn()).toBe(10);
  expect(await letIn()).toBe(0);
  clock.advance(500);
  expect(await letIn()).toBe(5);
  clock.advance(60_000);
  expect(await letIn()).toBe(10);
});
