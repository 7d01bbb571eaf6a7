import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  initialReadsVerdict,
  judgeReads,
  type ReadsLimits,
  type ReadsSample,
  type ReadsVerdict,
} from '../../src/plan/reads.ts';

const limits: ReadsLimits = {
  maxLagSeconds: 10,
  resumeLagSeconds: 5,
  maxLagBytes: undefined,
  graceMs: 4_000,
};

type Changes = Partial<Extract<ReadsSample, { kind: 'measured' }>>;
const measured = (at: number, changes: Changes = {}): ReadsSample => ({
  kind: 'measured',
  at,
  receiver: 'streaming',
  lagSeconds: 0,
  lagBytes: 0,
  primaryIsAlive: true,
  ...changes,
});
const silent = (at: number, isCertain = false): ReadsSample => ({ kind: 'unreachable', at, isCertain });

/** Samples once a second, and whether reads were allowed after each. */
function judged(start: ReadsVerdict, samples: readonly ReadsSample[], given = limits): readonly boolean[] {
  let verdict = start;
  return samples.map((sample) => {
    verdict = judgeReads(verdict, sample, given);
    return verdict.routable;
  });
}
const isIn = initialReadsVerdict(0, true);
const isOut = initialReadsVerdict(0, false);
const seconds = (count: number, make: (at: number) => ReadsSample) =>
  Array.from({ length: count }, (_, index) => make((index + 1) * 1_000));

test('a new replica comes in with its second fresh sample', () => {
  expect(judged(isOut, seconds(3, measured))).toEqual([false, true, true]);
});

test('a replica leaves at the maximal lag and comes back at the resume lag, after two samples', () => {
  const lags = [9.9, 10, 7, 5.1, 5, 5.1, 4, 3];
  const samples = lags.map((lagSeconds, index) => measured((index + 1) * 1_000, { lagSeconds }));

  expect(judged(isIn, samples)).toEqual([true, false, false, false, false, false, false, true]);
});

test('a lag in bytes takes a replica out as well', () => {
  expect(judged(isIn, [measured(1_000, { lagBytes: 500 })], { ...limits, maxLagBytes: 500 })).toEqual([
    false,
  ]);
});

test('without an answer the last verdict holds for the grace period', () => {
  expect(judged(isIn, seconds(5, silent))).toEqual([true, true, true, false, false]);
});

test('a server that certainly serves nobody is out at once', () => {
  expect(judgeReads(isIn, silent(1_000, true), limits)).toMatchObject({
    routable: false,
    reason: 'does not accept connections',
  });
});

test('a replica whose receiver is down leaves after the maximal lag, although the primary seems idle', () => {
  const samples = seconds(11, (at) => measured(at, { receiver: 'down' }));

  expect(judged(isIn, samples)).toEqual([...Array<boolean>(9).fill(true), false, false]);
});

test('a replica whose receiver is down leaves sooner when the primary has moved on', () => {
  expect(judged(isIn, [measured(1_000, { receiver: 'down', lagSeconds: 10 })])).toEqual([false]);
});

test('while nobody is known to write, replicas stay although their receivers are down', () => {
  const samples = seconds(60, (at) => measured(at, { receiver: 'down', primaryIsAlive: false }));

  expect(judged(isIn, samples)).toEqual(Array<boolean>(60).fill(true));
});

test('a replica whose receiver is down never comes in', () => {
  expect(
    judged(
      isOut,
      seconds(5, (at) => measured(at, { receiver: 'down' })),
    ),
  ).toEqual(Array<boolean>(5).fill(false));
});

test('a replica that streams with an unknown lag stays for the grace period', () => {
  const samples = seconds(6, (at) => measured(at, { lagSeconds: undefined }));

  expect(judged(isIn, samples)).toEqual([true, true, true, false, false, false]);
  expect(judgeReads({ ...isIn, unknownLagMs: 3_000 }, samples[0] ?? silent(0), limits)).toMatchObject({
    routable: false,
    reason: 'its lag is unknown',
  });
});

test('a receiver that comes and goes does not make an unknown lag last longer, a known lag does', () => {
  const unknown = { lagSeconds: undefined } as const;
  const flapping = seconds(7, (at) =>
    measured(at, { ...unknown, receiver: at % 2_000 === 0 ? 'down' : 'streaming' }),
  );
  const known = [1, 2, 3].map((it) => measured(it * 1_000, unknown));

  expect(judged(isIn, flapping)).toEqual([true, true, true, true, true, true, false]);
  expect(judged(isIn, [...known, measured(4_000), measured(5_000, unknown)])).toEqual(
    Array<boolean>(5).fill(true),
  );
});

test('while nobody is known to write, an unknown lag takes nobody out', () => {
  const samples = seconds(60, (at) => measured(at, { lagSeconds: undefined, primaryIsAlive: false }));

  expect(judged(isIn, samples)).toEqual(Array<boolean>(60).fill(true));
});

test('an excluded server is out, with the reason for it', () => {
  expect(judgeReads(isIn, { kind: 'excluded', at: 1, reason: 'is the primary' }, limits)).toMatchObject({
    routable: false,
    reason: 'is the primary',
  });
});

const anySample = fc.record({
  afterMs: fc.integer({ min: 200, max: 3_000 }),
  receiver: fc.constantFrom('streaming' as const, 'down' as const),
  lagSeconds: fc.option(fc.double({ min: 0, max: 20, noNaN: true }), { nil: undefined }),
  kind: fc.constantFrom('measured' as const, 'measured' as const, 'unreachable' as const),
});

test('whatever happens, nobody serves reads with a lag at the maximum, nor unanswered or unknown beyond the grace period', () => {
  fc.assert(
    fc.property(fc.array(anySample, { maxLength: 60 }), (steps) => {
      let at = 0;
      let answeredAt = 0;
      let judgedAt = 0;
      let unknownMs = 0;
      let verdict = isIn;
      for (const step of steps) {
        at += step.afterMs;
        const sample =
          step.kind === 'measured'
            ? measured(at, { receiver: step.receiver, lagSeconds: step.lagSeconds })
            : silent(at);
        if (step.kind === 'measured') answeredAt = at;
        verdict = judgeReads(verdict, sample, limits);
        if (step.kind === 'measured' && step.lagSeconds !== undefined) unknownMs = 0;
        else if (step.kind === 'measured' && step.receiver === 'streaming') unknownMs += at - judgedAt;
        judgedAt = at;
        const isLate = step.lagSeconds !== undefined && step.lagSeconds >= limits.maxLagSeconds;
        const isUnknown = unknownMs >= limits.graceMs;
        if (step.kind === 'measured' && (isLate || isUnknown)) expect(verdict.routable).toBe(false);
        if (at - answeredAt >= limits.graceMs) expect(verdict.routable).toBe(false);
        expect(verdict.routable).toBe(verdict.reason === null);
      }
    }),
  );
});
