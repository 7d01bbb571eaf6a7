import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addLagAnchor,
  type LagAnchor,
  type LagAnchors,
  lagAtLeastMs,
  lagByAnchorsMs,
  maxAnchors,
  noAnchors,
} from '../../src/postgres/lagAnchors.ts';
import type { Lsn } from '../../src/postgres/lsn.ts';

const lsn = (position: number) => BigInt(position) as Lsn;
const anchors = (...samples: readonly (readonly [at: number, position: number])[]): LagAnchors =>
  samples.reduce((known, [at, position]) => addLagAnchor(known, 1, { at, lsn: lsn(position) }), noAnchors);

test('without a position of the primary the lag is unknown', () => {
  expect(lagByAnchorsMs(noAnchors, lsn(5), 1_000)).toBeUndefined();
});

test('a replica that has replayed the newest position has no lag, however long ago that was', () => {
  expect(lagByAnchorsMs(anchors([0, 10], [1_000, 20]), lsn(20), 500_000)).toBe(0);
});

test('the lag is the age of the newest position that has been replayed, and grows while nothing is replayed', () => {
  const known = anchors([0, 10], [1_000, 20], [2_000, 30]);

  expect(lagByAnchorsMs(known, lsn(25), 2_500)).toBe(1_500);
  expect(lagByAnchorsMs(known, lsn(25), 9_000)).toBe(8_000);
});

test('after a long idle time the first write does not make a replica late by all of that time', () => {
  const known = anchors([0, 10], [60_000, 10], [61_000, 11]);

  expect(lagByAnchorsMs(known, lsn(10), 61_100)).toBe(1_100);
});

test('a position older than all that are known has no age but a least one, which grows on an idle primary too', () => {
  const known = anchors([1_000, 10], [2_000, 10], [9_000, 10]);

  expect(lagByAnchorsMs(known, lsn(3), 9_500)).toBeUndefined();
  expect(lagAtLeastMs(known, 9_500)).toBe(8_500);
});

test('another timeline starts over', () => {
  const known = addLagAnchor(anchors([0, 10], [1_000, 20]), 2, { at: 2_000, lsn: lsn(15) });

  expect(known).toEqual({ timeline: 2, since: 2_000, anchors: [{ at: 2_000, lsn: lsn(15) }] });
});

test('a sample that arrives late changes nothing', () => {
  const known = anchors([0, 10], [1_000, 20]);

  expect(addLagAnchor(known, 1, { at: 500, lsn: lsn(15) })).toBe(known);
});

/** Positions that only grow, at times that only grow. */
const history = fc
  .array(
    fc.record({ passed: fc.integer({ min: 1, max: 5_000 }), written: fc.integer({ min: 0, max: 50 }) }),
    {
      minLength: 1,
      maxLength: 600,
    },
  )
  .map((steps) => {
    let at = 0;
    let position = 0;
    return steps.map(({ passed, written }): LagAnchor => {
      at += passed;
      position += written;
      return { at, lsn: lsn(position) };
    });
  });

test('the memory is bounded and the answer is never smaller than with all positions remembered', () => {
  fc.assert(
    fc.property(history, fc.nat(30_000), (samples, position) => {
      const known = samples.reduce((all, sample) => addLagAnchor(all, 1, sample), noAnchors);
      const last = samples.at(-1)?.at ?? 0;
      const replayed = lsn(position);
      const isLatest = samples.every((it) => it.lsn <= replayed);
      const covered = samples.findLast((it) => it.lsn <= replayed);
      const truth = isLatest ? 0 : last - (covered ?? samples[0] ?? { at: 0 }).at;
      const told = lagByAnchorsMs(known, replayed, last);

      expect(known.anchors.length).toBeLessThanOrEqual(maxAnchors);
      expect(told === undefined).toBe(covered === undefined);
      expect(told ?? lagAtLeastMs(known, last)).toBeGreaterThanOrEqual(truth);
    }),
  );
});

test('days of writing are remembered in bounded space, the last minutes exactly', () => {
  const seconds = 200_000;
  let known = noAnchors;
  for (let second = 1; second <= seconds; second += 1) {
    known = addLagAnchor(known, 1, { at: second * 1_000, lsn: lsn(second) });
  }

  expect(known.anchors.length).toBeLessThanOrEqual(maxAnchors);
  expect(lagByAnchorsMs(known, lsn(seconds - 60), seconds * 1_000)).toBe(60_000);
});
