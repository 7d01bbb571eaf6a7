// How often the prober asks, by a clock that stands still.

import { setImmediate as turnOfEvents } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { silentLog } from '../../src/lib/log.ts';
import { InstanceProber } from '../../src/router/instanceProber.ts';
import { readStaticTopology } from '../../src/router/sources/staticSource.ts';
import { ManualClock } from '../fixtures/manualClock.ts';

const row = { in_recovery: true, is_streaming: true, server_version: 150_000 };
const credentials = { username: 'app', password: 'app', database: 'app', ca: '' };

/** When each question to the replica began, within a minute in which a read comes every `readEveryMs`. */
async function questionsOfAMinute(readEveryMs: number, maxLagSeconds: number): Promise<number[]> {
  const clock = new ManualClock();
  const prober = new InstanceProber({
    clock,
    random: () => 0,
    log: silentLog,
    everyMs: 30_000,
    connect: async () => ({ query: async () => ({ rows: [row] }), onClose: () => {}, close: () => {} }),
  });
  const startedAtMs = clock.now();
  const times: number[] = [];
  prober.onObservation((it) => {
    if (it.instance === 'read_replica') times.push(it.startedAtMs - startedAtMs);
  });
  const routing = { maxLagSeconds, resumeLagSeconds: maxLagSeconds / 2 };
  prober.follow(
    readStaticTopology({ primary: { host: 'db-1', credentials }, replicas: [{ host: 'db-2' }], routing }),
  );
  for (let atMs = 0; atMs < 60_000; atMs += 250) {
    for (let turn = 0; turn < 3; turn += 1) await turnOfEvents();
    if (atMs > 0 && atMs % readEveryMs === 0) prober.noteRead();
    for (let turn = 0; turn < 3; turn += 1) await turnOfEvents();
    clock.advance(250);
  }
  await prober.end();
  return times;
}

const longestGapMs = (times: readonly number[]) =>
  Math.max(...times.map((atMs, index) => (times[index + 1] ?? 60_000) - atMs));

test('while no replica is read from the health check sets the pace', async () => {
  expect(await questionsOfAMinute(Number.POSITIVE_INFINITY, 10)).toEqual([0, 30_000]);
});

test.each([
  [10, 500, 2_500],
  [10, 2_000, 2_500],
  [1, 250, 250],
  [0.2, 250, 250],
  [600, 250, 30_000],
])(
  'with a lag of %d s and a read every %d ms an instance is asked every %d ms',
  async (maxLagSeconds, readEveryMs, everyMs) => {
    expect(longestGapMs(await questionsOfAMinute(readEveryMs, maxLagSeconds))).toBe(everyMs);
  },
);

test('the first read after a rest has the instances asked at once', async () => {
  expect(await questionsOfAMinute(20_000, 10)).toEqual([0, 20_000, 22_500, 40_000, 42_500]);
});
