import { expect, test } from 'vitest';
import type { Strategy } from '../../../src/router/balance/pickReplica.ts';
import { planRead } from '../../../src/router/balance/planRead.ts';
import { ReadBalancer } from '../../../src/router/balance/readBalancer.ts';
import { endpointsDocument, replicaEndpoint } from '../../fixtures/endpointsDocument.ts';
import { seededRandom } from '../../fixtures/seededRandom.ts';

const settings = { strategy: 'round-robin', zone: null, zoneSpillInFlight: 10, slowStartMs: 10_000 } as const;

/** A balancer with its clock, and reads that take as long as is said. */
class Bench {
  nowMs = 0;
  readonly balancer: ReadBalancer;
  readonly counts: Record<string, number> = {};

  constructor(strategy: Strategy = 'round-robin', seed = 1) {
    this.balancer = new ReadBalancer({ ...settings, strategy }, seededRandom(seed));
  }

  /** Starts a read among these replicas, of all that serve; returns what ends it. */
  start(names: readonly string[], serving = names): (outcome?: 'answered' | 'failed') => string {
    this.balancer.noteServing(serving, this.nowMs);
    const startedAtMs = this.nowMs;
    const document = endpointsDocument({ replicas: names.map((name) => replicaEndpoint({ name })) });
    const choice = planRead({
      document,
      health: new Map(),
      tried: new Set(),
      turn: 0,
      isOverflow: false,
      nowMs: this.nowMs,
      balance: this.balancer.facts(),
    });
    if (choice.kind !== 'replica') throw new Error('a replica serves');
    const { name } = choice.endpoint;
    this.balancer.started(choice);
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    return (outcome = 'answered') => {
      this.balancer.finished(name, outcome, startedAtMs, this.nowMs);
      return name;
    };
  }

  read(names: readonly string[], tookMs: (name: string) => number = () => 1, serving = names): string {
    const end = this.start(names, serving);
    this.nowMs += tookMs(Object.keys(this.counts).at(-1) ?? '');
    return end();
  }

  inFlight(name: string): number | undefined {
    return this.balancer.facts().loads.get(name)?.inFlight;
  }
}

const all = ['a', 'b', 'c'];

test('reads are in flight from their start to their end, however they end', () => {
  const bench = new Bench();
  const [first, second] = [bench.start(['a']), bench.start(['a'])];
  expect(bench.inFlight('a')).toBe(2);
  first('failed');
  second();
  expect(bench.inFlight('a')).toBe(0);
});

test('reads that only some replicas can serve are evened out by the others', () => {
  const bench = new Bench();
  const ofTwo: string[] = [];
  for (let read = 0; read < 300; read += 1) {
    if (read % 2 === 0) ofTwo.push(bench.read(['a', 'b'], () => 1, all));
    else bench.read(all);
  }
  for (const count of Object.values(bench.counts)) expect(Math.abs(count - 100)).toBeLessThanOrEqual(3);
  for (const name of ['a', 'b']) expect(ofTwo.filter((it) => it === name).length).toBeGreaterThanOrEqual(45);
});

test('one that could not serve for long is not flooded when it can again', () => {
  const bench = new Bench();
  for (let read = 0; read < 500; read += 1) bench.read(['a', 'b'], () => 1, all);
  const next = Array.from({ length: 30 }, () => bench.read(all));

  expect(next.filter((name) => name === 'c').length).toBeLessThanOrEqual(13);
});

test('a replica that comes back gets its share step by step', () => {
  const bench = new Bench();
  bench.read(all);
  for (let read = 0; read < 100; read += 1) bench.read(['a', 'b']);
  const share = (reads: number) => {
    const names = Array.from({ length: reads }, () => bench.read(all, () => 5));
    return names.filter((name) => name === 'c').length / reads;
  };

  expect(share(200)).toBeLessThan(0.08);
  bench.nowMs += 10_000;
  expect(share(300)).toBeCloseTo(1 / 3, 1);
});

test('those that serve from the beginning have their whole share at once', () => {
  const bench = new Bench();
  for (let read = 0; read < 300; read += 1) bench.read(all);

  expect(bench.counts).toEqual({ a: 100, b: 100, c: 100 });
});

test('processes that start together do not all begin with the same replica', () => {
  const firsts = Array.from({ length: 60 }, (_, seed) => new Bench('round-robin', seed).read(all));

  for (const name of all) expect(firsts.filter((it) => it === name).length).toBeGreaterThan(8);
});

test.each(['least-in-flight', 'peak-ewma'] as const)(
  '%s moves the load away from a replica that hangs',
  (strategy) => {
    const bench = new Bench(strategy);
    for (let read = 0; read < 60; read += 1) bench.read(all);
    // Reads on `b` do not come back: within a second the others have nearly all of what comes.
    const under = new Map<string, (() => string)[]>();
    for (let read = 0; read < 200; read += 1) {
      const before = bench.inFlight('b');
      const end = bench.start(all);
      if (bench.inFlight('b') === before) {
        bench.nowMs += 5;
        end();
      } else under.set('b', [...(under.get('b') ?? []), end]);
    }
    expect(under.get('b')?.length).toBeLessThanOrEqual(5);
  },
);

test('peak-ewma tries a replica again that was slow once', () => {
  const bench = new Bench('peak-ewma');
  for (let read = 0; read < 30; read += 1) bench.read(['a', 'b']);
  const slow = bench.start(['b']);
  bench.nowMs += 2_000;
  slow();
  const next = (reads: number) => Array.from({ length: reads }, () => bench.read(['a', 'b']));
  expect(next(100)).not.toContain('b');
  bench.nowMs += 120_000;
  expect(next(10)).toContain('b');
});

test('a replica that has left is forgotten once its reads have ended', () => {
  const bench = new Bench();
  const end = bench.start(['a']);
  bench.balancer.follow(new Set(['b']));
  expect(bench.inFlight('a')).toBe(1);
  end();
  bench.balancer.follow(new Set(['b']));
  expect(bench.inFlight('a')).toBeUndefined();
});
