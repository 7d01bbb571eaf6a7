import { expect, test } from 'vitest';
import type { SwitchoverAnnouncement } from '../../src/endpoints/endpointsDocument.ts';
import { findPrimary } from '../../src/router/findPrimary.ts';
import {
  judgeSwitchover,
  noSwitchover,
  type SwitchoverFacts,
  type SwitchoverMemory,
} from '../../src/router/judgeSwitchover.ts';
import type { Observation } from '../../src/router/observation.ts';
import { endpointsDocument } from '../fixtures/endpointsDocument.ts';
import { answered, failed, observed } from '../fixtures/observation.ts';

const toSecond: SwitchoverAnnouncement = { id: 'a', to: 'orders-2', holdMs: 5_000 };
const standby = answered('orders-2', { role: 'replica' });
const promoted = answered('orders-2', { timeline: 6 });
const primary = (switchover: SwitchoverAnnouncement | null = null) => answered('orders-1', { switchover });

interface Moment {
  readonly nowMs: number;
  readonly published?: SwitchoverAnnouncement;
  readonly seen: readonly Observation[];
}

/** Judges one moment after the other, as they are observed. */
function follow(...moments: readonly Moment[]): SwitchoverMemory {
  let memory = noSwitchover;
  for (const { nowMs, published = null, seen } of moments) {
    const observations = observed(...seen);
    const facts: SwitchoverFacts = {
      published,
      found: findPrimary(endpointsDocument(), observations),
      observations,
      nowMs,
    };
    memory = judgeSwitchover(facts, memory);
  }
  return memory;
}

const over = (...ids: readonly string[]) => ({ hold: undefined, over: ids });
const begun = { nowMs: 1_000, seen: [primary(toSecond), standby] } satisfies Moment;

test('what the primary announces holds writes, counted from when it was first seen', () => {
  const again = { nowMs: 2_000, seen: [primary(toSecond), standby] } satisfies Moment;
  expect(follow(begun, again)).toEqual({
    hold: { ...toSecond, from: 'orders-1', untilMs: 6_000, isPublished: false, isInBand: true },
    over: [],
  });
});

test('the document and the primary announce the same switchover once', () => {
  const published = { nowMs: 0, published: toSecond, seen: [primary(), standby] } satisfies Moment;
  expect(follow(published, { ...begun, published: toSecond })).toEqual({
    hold: { ...toSecond, from: 'orders-1', untilMs: 5_000, isPublished: true, isInBand: true },
    over: [],
  });
});

test.each<[string, Moment]>([
  ['the primary falls silent', { nowMs: 2_000, seen: [failed('orders-1'), standby] }],
  [
    'the primary has become a replica',
    { nowMs: 2_000, seen: [answered('orders-1', { role: 'replica' }), standby] },
  ],
  [
    'an old document announces another one',
    { nowMs: 2_000, published: { ...toSecond, id: 'old' }, seen: begun.seen },
  ],
])('writes stay held while %s', (_, moment) => {
  expect(follow(begun, moment)).toEqual(follow(begun));
});

test.each<[string, Moment]>([
  ['the other one is primary', { nowMs: 2_000, seen: [failed('orders-1'), promoted] }],
  ['the primary takes it back', { nowMs: 2_000, seen: [primary(), standby] }],
  ['the time is over', { nowMs: 6_000, seen: [failed('orders-1'), standby] }],
])('writes go on when %s, and the same announcement holds nobody again', (_, moment) => {
  expect(follow(begun, moment)).toEqual(over('a'));
  expect(follow(begun, moment, { ...begun, nowMs: 7_000, published: toSecond })).toEqual(over('a'));
});

test('the document takes back what it has announced', () => {
  const published = { nowMs: 0, published: toSecond, seen: [primary(), standby] } satisfies Moment;
  expect(follow(published, { nowMs: 1_000, seen: [primary(), standby] })).toEqual(over('a'));
});

test('another announcement begins anew', () => {
  const again = { nowMs: 3_000, seen: [primary({ ...toSecond, id: 'b' }), standby] } satisfies Moment;
  expect(follow(begun, again)).toEqual({
    hold: { ...toSecond, id: 'b', from: 'orders-1', untilMs: 8_000, isPublished: false, isInBand: true },
    over: ['a'],
  });
});

test.each<[string, Moment]>([
  [
    'a replica, which may have copied it',
    { nowMs: 0, seen: [primary(), answered('orders-2', { role: 'replica', switchover: toSecond })] },
  ],
  [
    'the one that is to be primary and is',
    { nowMs: 0, seen: [failed('orders-1'), answered('orders-2', { timeline: 6, switchover: toSecond })] },
  ],
  [
    'a document of a switchover that has been',
    { nowMs: 0, published: toSecond, seen: [failed('orders-1'), promoted] },
  ],
])('nothing is held by %s', (_, moment) => {
  expect(follow(moment)).toEqual(noSwitchover);
});
