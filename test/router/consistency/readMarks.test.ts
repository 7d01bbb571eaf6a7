// What a scope must see next, row by row. That it is enough is shown in simulation.test.ts.

import { expect, test } from 'vitest';
import { ReadMarks } from '../../../src/router/consistency/readMarks.ts';
import { noNeeds } from '../../../src/router/consistency/readNeeds.ts';
import { lagView, lsn, primaryView, replicaView, samples } from '../../fixtures/lagView.ts';

const [second, third] = ['orders-2', 'orders-3'];
const ryw = 'read-your-writes';
/** The primary was at 100 at 500 ms, at 200 at 700 ms. */
const view = lagView(
  [replicaView(second, { history: samples(5, [600, 100], [800, 150]) }), replicaView(third)],
  primaryView({ covering: samples(5, [500, 100], [700, 200]) }),
);
const span = (startedAtMs: number, endedAtMs: number) => ({ startedAtMs, endedAtMs });

test('who has done nothing needs nothing', () => {
  expect(new ReadMarks().needs(ryw, view)).toEqual(noNeeds);
  expect(new ReadMarks().position(view)).toBeNull();
});

test('a write needs the first sample that was started after it', () => {
  const marks = new ReadMarks();
  marks.noteWriteAcknowledged(600);
  expect(marks.needs(ryw, view)).toMatchObject({
    primaryOnly: null,
    floor: { timeline: 5, lsn: 200n },
    wantsProbes: true,
  });
  expect(marks.position(view)).toEqual({ timeline: 5, lsn: 200n });
  marks.noteWriteAcknowledged(701);
  expect(marks.needs(ryw, view)).toEqual({
    ...noNeeds,
    primaryOnly: 'a write is not covered by a sample of the primary yet',
    wantsProbes: true,
  });
  expect(marks.position(view)).toBe('pending');
});

test('eventual reads need nothing and strong reads the primary, whatever was written', () => {
  const marks = new ReadMarks();
  marks.noteWriteAcknowledged(701);
  expect(marks.needs('eventual', view)).toEqual(noNeeds);
  expect(marks.needs('strong', view)).toMatchObject({
    isStrong: true,
    primaryOnly: 'strong consistency was asked for',
  });
});

test('bounded reads need their age and what was written', () => {
  const marks = new ReadMarks();
  marks.noteWriteAcknowledged(600);
  expect(marks.needs({ maxLagMs: 50 }, view)).toMatchObject({
    maxAgeMs: 50,
    floor: { timeline: 5, lsn: 200n },
  });
});

test('a read of a replica is bounded by what that replica, or the primary, had soon after', () => {
  const boundAfter = (endedAtMs: number, given = view) => {
    const marks = new ReadMarks();
    marks.noteReplicaRead(second, span(endedAtMs - 5, endedAtMs), true);
    return marks.needs(ryw, given).earlierReads.map(({ bound }) => bound);
  };
  expect(boundAfter(590)).toEqual([100n]);
  expect(boundAfter(700)).toEqual([150n]);
  expect(boundAfter(750)).toEqual([150n]);
  expect(boundAfter(801)).toEqual([null]);
  expect(boundAfter(590, lagView([], view.primary))).toEqual([200n]);
});

test('after a restart the word of the replica itself does not count', () => {
  const marks = new ReadMarks();
  marks.noteReplicaRead(second, span(585, 590), true);
  const restarted = replicaView(second, { lostAtMs: 588, history: samples(5, [600, 90]) });
  expect(marks.needs(ryw, lagView([restarted], view.primary)).earlierReads).toEqual([
    { instance: second, startedAtMs: 585, endedAtMs: 590, bound: 200n },
  ]);
});

test('until a read has a bound its scope stays with the replica; afterwards any that is as far will do', () => {
  const marks = new ReadMarks();
  marks.noteReplicaRead(second, span(800, 801), true);
  expect(marks.needs(ryw, view)).toMatchObject({ prefers: second, wantsProbes: true });
  expect(marks.position(view)).toBeNull();
  const later = lagView(
    [replicaView(second, { history: samples(5, [600, 100], [810, 160]) })],
    primaryView({ covering: samples(5, [500, 100], [820, 300]) }),
  );
  expect(marks.needs(ryw, later)).toMatchObject({ prefers: null });
  expect(marks.position(later)).toEqual({ timeline: 5, lsn: 160n });
});

test('a read of the primary needs a sample, as a write does', () => {
  const marks = new ReadMarks();
  marks.notePrimaryRead(600, false);
  expect(marks.needs(ryw, view).floor).toEqual({ timeline: 5, lsn: 200n });
});

test('after a failover what was written is covered by the new primary', () => {
  const marks = new ReadMarks();
  marks.noteWriteAcknowledged(600);
  expect(marks.needs(ryw, view).floor?.lsn).toBe(200n);
  const promoted = (...list: [number, number][]) =>
    lagView([], primaryView({ timeline: 6, covering: samples(6, ...list) }));
  expect(marks.needs(ryw, promoted([550, 180])).primaryOnly).toMatch('a write is not covered');
  expect(marks.needs(ryw, promoted([550, 180], [900, 190])).floor).toEqual({ timeline: 6, lsn: 190n });
});

test('without a primary what was written cannot be covered', () => {
  const marks = new ReadMarks();
  marks.noteWriteAcknowledged(600);
  expect(marks.needs(ryw, lagView([], null)).primaryOnly).toMatch('a write is not covered');
});

test('a position from elsewhere is a floor; of another timeline, or beyond the end, it is what there was when it came', () => {
  const floorOf = (timeline: number, position: number, atMs: number) => {
    const marks = new ReadMarks();
    marks.notePosition({ timeline, lsn: lsn(position) }, atMs);
    const { floor, primaryOnly } = marks.needs(ryw, view);
    return floor?.lsn ?? primaryOnly;
  };
  expect(floorOf(5, 120, 1_000)).toBe(120n);
  expect(floorOf(5, 120, 600)).toBe(120n);
  expect(floorOf(5, 900_000, 600)).toBe(200n);
  expect(floorOf(4, 120, 600)).toBe(200n);
  expect(floorOf(4, 120, 1_000)).toBe(
    'a position of another timeline is not covered by a sample of the primary yet',
  );
});

test('a position of a newer timeline waits for the primary of that timeline, whatever the old one has', () => {
  const marks = new ReadMarks();
  marks.notePosition({ timeline: 6, lsn: lsn(120) }, 600);
  expect(marks.needs(ryw, view)).toEqual({
    ...noNeeds,
    primaryOnly: 'a position of another timeline is not covered by a sample of the primary yet',
    wantsProbes: true,
  });
  expect(marks.position(view)).toBe('pending');
  const promoted = lagView([], primaryView({ timeline: 6, covering: samples(6, [900, 150]) }));
  expect(marks.needs(ryw, promoted).floor).toEqual({ timeline: 6, lsn: 120n });
});
