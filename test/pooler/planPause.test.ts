import { expect, test } from 'vitest';
import type { SwitchoverAnnouncement } from '../../src/endpoints/endpointsDocument.ts';
import { noPause, type PauseMemory, planPause } from '../../src/pooler/planPause.ts';

const switchover: SwitchoverAnnouncement = { id: 'a', to: 'orders-2', holdMs: 5_000 };
const announced = { epoch: 12, switchover };
const begun = planPause('rw', announced, 1_000, noPause);
const over = (id: string): PauseMemory => ({ pause: undefined, over: id });

test('an announcement keeps clients waiting, counted from when it was first seen', () => {
  expect(begun).toEqual({ pause: { id: 'a', epoch: 12, untilMs: 6_000 }, over: undefined });
  expect(planPause('rw', announced, 5_999, begun)).toBe(begun);
});

test('reads do not wait', () => {
  expect(planPause('ro', announced, 1_000, noPause)).toBe(noPause);
});

test.each([
  ['it is taken back', { epoch: 12, switchover: null }, 2_000],
  ['the document says nothing of one', { epoch: 12 }, 2_000],
  ['the role has moved, though it is still announced', { epoch: 13, switchover }, 2_000],
  ['its time is over', announced, 6_000],
] as const)('clients are served when %s, and do not wait for the same one again', (_, endpoints, nowMs) => {
  const after = planPause('rw', endpoints, nowMs, begun);
  expect(after).toEqual(over('a'));
  expect(planPause('rw', announced, nowMs + 1, after)).toBe(after);
});

test('another announcement begins anew', () => {
  const other = { epoch: 12, switchover: { ...switchover, id: 'b' } };
  expect(planPause('rw', other, 3_000, begun)).toEqual({
    pause: { id: 'b', epoch: 12, untilMs: 8_000 },
    over: 'a',
  });
});
