import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LiveObject } from '../../src/kube/kubeObject.ts';
import {
  initialState,
  parseFrame,
  type ReflectorEvent,
  type ReflectorState,
  type Step,
  stepReflector,
  type WatchFrame,
} from '../../src/kube/reflectorState.ts';
import { pod } from './kubeFixtures.ts';

type State = ReflectorState<LiveObject>;
type Event = ReflectorEvent<LiveObject>;

const watching = (failures = 0): State => ({ phase: 'watching', failures, resourceVersion: '10' });
const page = (names: string[], continueToken?: string): Event => ({
  kind: 'page',
  page: { items: names.map((name) => pod(name, 1)), resourceVersion: '10', continueToken },
});
const failed = (failure: Partial<Extract<Event, { kind: 'failed' }>> = {}): Event => ({
  kind: 'failed',
  isExpired: false,
  retryAfterMs: undefined,
  openMs: 0,
  ...failure,
});
const frame = (it: WatchFrame<LiveObject>): Event => ({ kind: 'frame', frame: it });

/** Without jitter unless told. */
const step = (state: State, event: Event, random = 0) => stepReflector(state, event, random);

test('the last page of a list replaces everything and starts the watch at its version', () => {
  const first = step(initialState, page(['a'], 'more'));
  const second = step(first.state, page(['b']));

  expect(first).toEqual({
    state: { phase: 'listing', failures: 0, collected: [pod('a', 1)], continueToken: 'more' },
    waitMs: 0,
  });
  expect(second).toEqual({
    state: { phase: 'watching', failures: 0, resourceVersion: '10' },
    change: { kind: 'replace', objects: [pod('a', 1), pod('b', 1)], resourceVersion: '10' },
    waitMs: 0,
  });
});

test('events and bookmarks move the version on and end a row of failures', () => {
  expect(step(watching(3), frame({ type: 'ADDED', object: pod('a', 11) }))).toEqual({
    state: { phase: 'watching', failures: 0, resourceVersion: '11' },
    change: { kind: 'upsert', object: pod('a', 11) },
    waitMs: 0,
  });
  expect(step(watching(3), frame({ type: 'DELETED', object: pod('a', 12) }))).toMatchObject({
    state: { resourceVersion: '12' },
    change: { kind: 'remove', object: pod('a', 12) },
  });
  expect(step(watching(3), frame({ type: 'BOOKMARK', resourceVersion: '99' }))).toEqual({
    state: { phase: 'watching', failures: 0, resourceVersion: '99' },
    waitMs: 0,
  });
});

test('an event of an older version does not move the version back', () => {
  const { state } = step(watching(), frame({ type: 'MODIFIED', object: pod('a', 9) }));

  expect(state).toMatchObject({ resourceVersion: '10' });
});

test('a watch whose version has expired lists again at once, and waits when that goes on', () => {
  expect(step(watching(0), failed({ isExpired: true }))).toEqual({
    state: { phase: 'empty', failures: 1, isPaged: true },
    waitMs: 0,
  });
  expect(step(watching(2), failed({ isExpired: true }))).toMatchObject({ waitMs: 2_000 });
});

test('a page that has expired is followed by a list without pages', () => {
  const listing: State = { phase: 'listing', failures: 0, collected: [pod('a', 1)], continueToken: 'old' };

  expect(step(listing, failed({ isExpired: true })).state).toEqual({
    phase: 'empty',
    failures: 1,
    isPaged: false,
  });
});

test('a failed page is asked for again, with what was listed before it kept', () => {
  const listing: State = { phase: 'listing', failures: 0, collected: [pod('a', 1)], continueToken: 'more' };

  expect(step(listing, failed())).toEqual({ state: { ...listing, failures: 1 }, waitMs: 500 });
});

test('a failed watch goes on from its version after a wait that doubles up to ten seconds', () => {
  const waits = [0, 1, 2, 3, 4].map((failures) => step(watching(failures), failed()));

  expect(waits.map(({ waitMs }) => waitMs)).toEqual([500, 1_000, 2_000, 4_000, 8_000]);
  expect(waits.map(({ state }) => state.phase)).toEqual(Array(5).fill('watching'));
  expect(step(watching(100), failed()).waitMs).toBe(10_000);
});

test('a watch that fails six times in a row from one version is given up for a list', () => {
  expect(step(watching(5), failed())).toEqual({
    state: { phase: 'empty', failures: 6, isPaged: true },
    waitMs: 10_000,
  });
});

test('a watch that failed after it had worked for a while counts as a first failure', () => {
  expect(step(watching(4), failed({ openMs: 10_000 }))).toEqual({ state: watching(1), waitMs: 500 });
});

test('a watch that ended in order is opened again at once, unless it had only just begun', () => {
  expect(step(watching(2), { kind: 'closed', openMs: 300_000 })).toEqual({ state: watching(0), waitMs: 0 });
  expect(step(watching(2), { kind: 'closed', openMs: 5 })).toEqual({ state: watching(3), waitMs: 2_000 });
});

test('the server may ask for a longer wait, up to a minute', () => {
  expect(step(watching(0), failed({ retryAfterMs: 7_000 })).waitMs).toBe(7_000);
  expect(step(watching(0), failed({ retryAfterMs: 3_600_000 })).waitMs).toBe(60_000);
});

test('half of a wait is random', () => {
  expect(step(watching(0), failed(), 0.999).waitMs).toBeCloseTo(250, 0);
});

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    kind: fc.constant('page' as const),
    page: fc.record({
      items: fc.constant([pod('a', 1)]),
      resourceVersion: fc.nat({ max: 99 }).map(String),
      continueToken: fc.option(fc.constant('more'), { nil: undefined }),
    }),
  }),
  fc.record({
    kind: fc.constant('frame' as const),
    frame: fc.oneof(
      fc.record({ type: fc.constant('BOOKMARK' as const), resourceVersion: fc.nat({ max: 99 }).map(String) }),
      fc.record({ type: fc.constantFrom('ADDED', 'MODIFIED', 'DELETED'), object: fc.constant(pod('a', 50)) }),
    ),
  }),
  fc.record({ kind: fc.constant('closed' as const), openMs: fc.nat({ max: 20_000 }) }),
  fc.record({
    kind: fc.constant('failed' as const),
    isExpired: fc.boolean(),
    retryAfterMs: fc.option(fc.nat({ max: 100_000 }), { nil: undefined }),
    openMs: fc.nat({ max: 20_000 }),
  }),
);

test('whatever happens, the next attempt comes within a minute, and after a second failure in a row not at once', () => {
  const randoms = fc.double({ min: 0, max: 0.999, noNaN: true });

  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 60 }), randoms, (events, random) => {
      let state: State = initialState;
      for (const event of events) {
        const next: Step<LiveObject> = stepReflector(state, event, random);
        const isInARow = event.kind === 'failed' && event.openMs < 10_000 && state.failures > 0;
        expect(next.waitMs).toBeLessThanOrEqual(60_000);
        if (isInARow) expect(next.waitMs).toBeGreaterThanOrEqual(250);
        if (event.kind === 'failed') expect(next.state.failures).toBeGreaterThan(0);
        state = next.state;
      }
    }),
  );
});

test.each([
  ['nothing', undefined],
  ['text', 'hello'],
  ['an unknown type', { type: 'RENAMED', object: pod('a', 1) }],
  ['an event without object', { type: 'ADDED' }],
  ['an object without version', { type: 'ADDED', object: { metadata: { name: 'a', uid: 'u' } } }],
  ['a bookmark without version', { type: 'BOOKMARK', object: { metadata: {} } }],
])('%s is no frame', (_name, line) => {
  expect(() => parseFrame(line)).toThrow(expect.objectContaining({ reason: 'Garbage' }));
});

test('an ERROR frame is thrown as what it reports', () => {
  const object = { kind: 'Status', code: 429, reason: 'TooManyRequests', details: { retryAfterSeconds: 3 } };

  expect(() => parseFrame({ type: 'ERROR', object })).toThrow(
    expect.objectContaining({ status: 429, reason: 'TooManyRequests', retryAfterMs: 3_000 }),
  );
});
