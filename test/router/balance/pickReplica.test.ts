import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Candidate,
  payTurn,
  pickReplica,
  type Strategy,
  strategies,
} from '../../../src/router/balance/pickReplica.ts';
import { replicaEndpoint } from '../../fixtures/endpointsDocument.ts';
import { seeded } from '../../fixtures/propertySeed.ts';
import { seededRandom } from '../../fixtures/seededRandom.ts';

const candidate = (name: string, differences: Partial<Candidate> = {}): Candidate => ({
  endpoint: replicaEndpoint({ name }),
  share: 1,
  inFlight: 0,
  latencyMs: null,
  turn: 0,
  ...differences,
});

const asSaver = ({ endpoint, share, turn }: Candidate) => ({ name: endpoint.name, share, turn });

/** Who is picked, read after read, while the turns go on. */
function picks(strategy: Strategy, start: readonly Candidate[], count: number, seed = 1): string[] {
  const random = seededRandom(seed);
  let candidates = start;
  return Array.from({ length: count }, () => {
    const picked = pickReplica(candidates, strategy, random());
    if (picked === undefined) throw new Error('somebody is picked');
    const { name } = picked.endpoint;
    const savers = candidates.map(asSaver);
    payTurn(savers, name);
    candidates = candidates.map((it, index) => ({ ...it, turn: savers[index]?.turn ?? 0 }));
    return name;
  });
}

function countsOf(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

test('turns with equal shares go round', () => {
  const all = ['a', 'b', 'c'].map((name) => candidate(name));

  expect(picks('round-robin', all, 6)).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
});

test('turns with unequal shares are spread, not bunched', () => {
  const all = [candidate('a', { share: 5 }), candidate('b'), candidate('c')];

  expect(picks('weighted', all, 7)).toEqual(['a', 'a', 'b', 'a', 'c', 'a', 'a']);
});

test('the share of one that is left out goes to all the others, not to the next one', () => {
  const others = ['a', 'c', 'd'].map((name) => candidate(name));

  expect(countsOf(picks('round-robin', others, 300))).toEqual({ a: 100, c: 100, d: 100 });
});

test('the fewest reads under way are picked, for the weight', () => {
  const all = [
    candidate('a', { inFlight: 2 }),
    candidate('b', { inFlight: 1 }),
    candidate('c', { inFlight: 3, share: 4 }),
  ];

  expect(picks('least-in-flight', all.slice(0, 2), 1)).toEqual(['b']);
  expect(picks('least-in-flight', all, 1)).toEqual(['c']);
  expect(
    picks('least-in-flight', [candidate('a', { inFlight: 1 }), candidate('c', { inFlight: 3, share: 4 })], 1),
  ).toEqual(['c']);
});

test('equals take turns, so that idle replicas share alike', () => {
  const all = ['a', 'b', 'c'].map((name) => candidate(name));

  expect(countsOf(picks('least-in-flight', all, 300))).toEqual({ a: 100, b: 100, c: 100 });
});

test('of two that are drawn the slower one is left, so the slowest of all gets nothing', () => {
  const all = [
    candidate('a', { latencyMs: 2 }),
    candidate('b', { latencyMs: 40 }),
    candidate('c', { latencyMs: 2 }),
  ];
  const counts = countsOf(picks('peak-ewma', all, 3_000));

  expect(counts['b']).toBeUndefined();
  expect(Math.abs((counts['a'] ?? 0) - (counts['c'] ?? 0))).toBeLessThan(200);
});

test('of two that are drawn each pair is as likely as any other', () => {
  const all = ['a', 'b', 'c', 'd'].map((name) => candidate(name));
  const counts = countsOf(picks('peak-ewma', all, 4_000));

  for (const count of Object.values(counts)) expect(Math.abs(count - 1_000)).toBeLessThan(100);
});

test('whatever the strategy, somebody is picked, and turns never add up to more than they were', () => {
  const anyCandidate = fc.record({
    share: fc.double({ min: 0.01, max: 10, noNaN: true }),
    inFlight: fc.nat(50),
    latencyMs: fc.option(fc.double({ min: 0.01, max: 1_000, noNaN: true })),
    turn: fc.double({ min: -5, max: 5, noNaN: true }),
  });
  fc.assert(
    fc.property(
      fc.array(anyCandidate, { minLength: 1, maxLength: 6 }),
      fc.constantFrom(...strategies),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (list, strategy, random) => {
        const candidates = list.map((it, index) => candidate(`orders-${index}`, it));
        const picked = pickReplica(candidates, strategy, random);
        expect(candidates).toContain(picked);
        const sum = (turns: readonly number[]) => turns.reduce((total, turn) => total + turn, 0);
        const savers = candidates.map(asSaver);
        payTurn(savers, picked?.endpoint.name ?? '');
        expect(sum(savers.map(({ turn }) => turn))).toBeCloseTo(sum(candidates.map(({ turn }) => turn)), 6);
      },
    ),
    seeded(),
  );
});
