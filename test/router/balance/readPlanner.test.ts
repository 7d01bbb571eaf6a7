// The planner as the core of the router calls it: reads and writes in their order, with a clock that stands still.

import { setImmediate as turnOfEvents } from 'node:timers/promises';
import { expect, test } from 'vitest';
import {
  ReadPlanner,
  type ReadSettings,
  type Request,
  readDefaults,
} from '../../../src/router/balance/readPlanner.ts';
import type { Consistency } from '../../../src/router/consistency/consistency.ts';
import { formatToken } from '../../../src/router/consistency/consistencyToken.ts';
import { currentScope, runInScope } from '../../../src/router/consistency/readScope.ts';
import type { AnsweredProbe } from '../../../src/router/observation.ts';
import { endpointsDocument, replicaEndpoint } from '../../fixtures/endpointsDocument.ts';
import { lsn } from '../../fixtures/lagView.ts';
import { ManualClock } from '../../fixtures/manualClock.ts';

const [first, second, third] = ['orders-1', 'orders-2', 'orders-3'];

class Process {
  readonly clock = new ManualClock();
  readonly woken: string[] = [];
  readonly planner: ReadPlanner;
  readonly document = endpointsDocument();

  constructor(settings: Partial<ReadSettings> = {}) {
    this.planner = new ReadPlanner(
      { ...readDefaults, slowStartMs: 0, tokenKeys: ['a key'], ...settings },
      {
        clock: this.clock,
        random: () => 0,
        wake: (reason) => this.woken.push(reason),
        noteRead: () => this.woken.push('a replica is read'),
      },
    );
    this.planner.follow(this.document, first);
    this.probeAll(100, 100, 100);
  }

  /** All are asked one after the other, each for a millisecond. */
  probeAll(...positions: readonly number[]): void {
    for (const [index, position] of positions.entries())
      this.probe([first, second, third][index] ?? '', position);
  }

  probe(instance: string, position: number, more: Partial<AnsweredProbe> = {}): void {
    const startedAtMs = this.clock.now();
    this.clock.advance(1);
    this.planner.note({
      instance,
      startedAtMs,
      endedAtMs: this.clock.now(),
      probe: {
        kind: 'answered',
        role: instance === first ? 'primary' : 'replica',
        systemIdentifier: '7421000000000000001',
        timeline: 5,
        lsn: lsn(position),
        isStreaming: true,
        serverVersion: 150_000,
        ...more,
      },
    });
  }

  core() {
    const nowMs = this.clock.now();
    return {
      document: this.document,
      health: new Map(),
      tried: new Set<string>(),
      turn: 0,
      isOverflow: false,
      nowMs,
    };
  }

  /** One read from beginning to end; returns who answered. */
  read(request: Request): string {
    const choice = this.planner.plan(request, this.core());
    if (choice.kind === 'none') throw new Error(choice.reason);
    const underWay = this.planner.started(request, choice);
    this.clock.advance(1);
    this.planner.finished(underWay, 'answered');
    return choice.endpoint.name;
  }

  write(request: Request): void {
    this.clock.advance(1);
    this.planner.wrote(request);
  }

  where(consistency?: Consistency): string {
    return this.read(this.planner.request(consistency));
  }
}

test('without scopes, what the pool has written is read on the primary until replicas have it', () => {
  const it = new Process();
  expect([it.where(), it.where()].toSorted()).toEqual([second, third]);
  it.write(it.planner.request());
  expect([it.where(), it.where()]).toEqual([first, first]);
  it.probeAll(200, 100, 200);
  expect([it.where(), it.where()]).toEqual([third, third]);
  expect(it.woken).toContain('a write was acknowledged');
});

test('every read of a replica is told to the prober, and none of the primary', () => {
  const it = new Process();
  it.where('strong');
  expect(it.woken).not.toContain('a replica is read');
  it.where();
  it.where();
  expect(it.woken).toEqual(['a replica is read', 'a replica is read']);
});

test('in a scope only its own writes count', () => {
  const it = new Process();
  runInScope({}, () => it.write(it.planner.request()));
  runInScope({}, () => expect(it.where()).not.toBe(first));
  expect(it.where()).toBe(first);
});

test('the consistency is that of the call, else of the scope, else of the pool', () => {
  const it = new Process({ consistency: 'strong' });
  expect(it.where()).toBe(first);
  expect(it.where('eventual')).not.toBe(first);
  runInScope({ consistency: 'eventual' }, () => {
    expect(it.where()).not.toBe(first);
    expect(it.where('strong')).toBe(first);
  });
});

test('a scope does not go back to a replica that is not known to be as far', () => {
  const it = new Process();
  runInScope({}, () => {
    const name = it.where();
    expect([it.where(), it.where(), it.where()]).toEqual([name, name, name]);
    it.probeAll(300, 200, 200);
    expect([it.where(), it.where()]).toEqual([
      name === second ? third : second,
      name === second ? third : second,
    ]);
  });
});

test('a bounded read goes to the primary when nobody is known to be so fresh', () => {
  const it = new Process();
  expect(it.where({ maxLagMs: 10 })).not.toBe(first);
  it.clock.advance(20);
  expect(it.where({ maxLagMs: 10 })).toBe(first);
  expect(it.woken).toContain('a read waits for positions');
});

test('a token carries what was written to another process, and garbage changes nothing but a count', () => {
  const [one, other] = [new Process(), new Process()];
  const token = runInScope({}, () => {
    one.write(one.planner.request());
    one.probe(first, 200);
    return currentScope()?.token();
  });
  other.probeAll(300, 150, 250);
  const readWith = (given: string | undefined) => runInScope({ token: given }, () => other.where());
  expect(token).toMatch(/\.5\/c8\./);
  expect([readWith(token), readWith(token)]).toEqual([third, third]);
  expect([readWith('garbage'), readWith(undefined), readWith(`${token}x`)]).not.toContain(first);
  expect(other.planner.ignoredTokens).toBe(2);
  const without = new Process({ tokenKeys: [] });
  expect(runInScope({ token }, () => without.where())).not.toBe(first);
  expect(without.planner.ignoredTokens).toBe(1);
});

test('a token of a write that nobody has covered yet asks for what there is when it comes', () => {
  const [one, other] = [new Process(), new Process()];
  const token = runInScope({}, () => {
    one.write(one.planner.request());
    return currentScope()?.token();
  });
  expect(token).toMatch(/\.pending-/);
  runInScope({ token }, () => {
    expect(other.where()).toBe(first);
    other.clock.advance(10);
    other.probeAll(300, 300, 300);
    expect(other.where()).not.toBe(first);
  });
});

/** Requests of one client, `everyMs` apart, to each process in turn; the servers are probed every 250 ms. */
function requestsAfterWrite(
  processes: readonly Process[],
  everyMs: number,
  carries: 'the newest' | 'that of the write',
) {
  let atMs = 0;
  const probeEveryMs = 250;
  const pass = () => {
    for (let passedMs = 0; passedMs < everyMs; passedMs += 1) {
      atMs += 1;
      for (const [index, process] of processes.entries()) {
        if (atMs % probeEveryMs === index * 100) process.probeAll(500, 500, 500);
        else process.clock.advance(1);
      }
    }
  };
  const request = (process: Process | undefined, given: string | undefined, act: (it: Process) => string) =>
    runInScope({ token: given }, () => {
      if (process === undefined) throw new Error('there is a process');
      return { where: act(process), token: currentScope()?.token() };
    });
  const before = request(processes[0], undefined, (it) => it.where());
  const written = request(processes[0], before.token, (it) => {
    it.write(it.planner.request());
    return first;
  });
  let { token } = written;
  const places: { readonly atMs: number; readonly where: string }[] = [];
  for (let count = 1; count <= 60; count += 1) {
    pass();
    const answer = request(processes[count % processes.length], token, (it) => it.where());
    if (carries === 'the newest') token = answer.token ?? token;
    places.push({ atMs, where: answer.where });
  }
  return { before, written, places };
}

test.each([
  [1, 200, 'the newest'],
  [1, 200, 'that of the write'],
  [1, 10, 'the newest'],
  [2, 200, 'the newest'],
  [2, 10, 'the newest'],
  [2, 10, 'that of the write'],
] as const)(
  'a client of %d processes that comes every %d ms with %s token is back on replicas soon after its write',
  (count, everyMs, carries) => {
    const processes = Array.from({ length: count }, () => new Process());
    const { before, written, places } = requestsAfterWrite(processes, everyMs, carries);
    expect(before).toEqual({ where: expect.not.stringMatching(first), token: undefined });
    expect(written.token).toMatch(/\.pending-/);
    // A probe of each process after the token has come to it.
    const settledAtMs = 2 * everyMs + 400;
    expect(places.filter(({ atMs, where }) => atMs > settledAtMs && where === first)).toEqual([]);
  },
);

test('two tokens that wait for positions have different texts, also of the same second', () => {
  const [one, other] = [new Process(), new Process()];
  const tokens = [one, one, other].map((it) =>
    runInScope({}, () => {
      it.write(it.planner.request());
      return currentScope()?.token();
    }),
  );
  expect(new Set(tokens).size).toBe(3);
});

test('a token that waits for its position is not lost beside another, nor beside a write', () => {
  const it = new Process();
  const written = () =>
    runInScope({}, () => {
      it.write(it.planner.request());
      return currentScope()?.token();
    });
  const [older, newer] = [written(), written()];
  const tokenOf = (given: string, act = () => {}) =>
    runInScope({ token: given }, () => {
      it.planner.request();
      act();
      return currentScope()?.token();
    });
  expect(tokenOf(`${older}`)).toBe(older);
  const all = [tokenOf(`${older},${newer}`), tokenOf(`${older}`, () => it.write(it.planner.request()))];
  for (const token of all) {
    expect(token).toMatch(/\.pending-/);
    expect([older, newer]).not.toContain(token);
  }
});

test('a strong read is in the token, a read that had to go to the primary is not', () => {
  const it = new Process();
  const tokenAfter = (consistency: Consistency) =>
    runInScope({}, () => {
      it.where(consistency);
      return currentScope()?.token();
    });
  expect(tokenAfter('strong')).toMatch(/\.pending-/);
  it.clock.advance(20);
  expect(tokenAfter({ maxLagMs: 10 })).toBeUndefined();
});

test('a read that is about to be covered waits a moment instead of going to the primary', async () => {
  const it = new Process();
  const request = runInScope({}, () => it.planner.request());
  it.clock.advance(300);
  it.write(request);
  const { signal } = new AbortController();
  const choice = it.planner.plan(request, it.core());
  expect(choice.kind).toBe('primary');
  const waiting = it.planner.waitInstead(request, () => it.core(), choice, signal);
  it.probeAll(200, 200, 200);
  expect(await waiting).toBe(true);
  expect(it.read(request)).not.toBe(first);
  expect(it.clock.sleeps).toEqual([]);
});

test('a wait in vain ends with the budget, and nobody waits again for half a second', async () => {
  const it = new Process();
  const request = runInScope({}, () => it.planner.request());
  it.clock.advance(300);
  it.write(request);
  const { signal } = new AbortController();
  const wait = () =>
    it.planner.waitInstead(request, () => it.core(), it.planner.plan(request, it.core()), signal);
  const waiting = wait();
  await it.clock.pass(20);
  expect(await waiting).toBe(false);
  expect(await wait()).toBe(false);
  expect(it.clock.sleeps).toEqual([]);
  it.clock.advance(501);
  const again = wait();
  await turnOfEvents();
  expect(it.clock.sleeps).toEqual([20]);
  it.clock.advance(20);
  expect(await again).toBe(false);
});

test('the status tells who is next and who does not serve', () => {
  const it = new Process();
  it.where();
  expect(it.planner.nextReplicaIndex(it.core())).toBe(1);
  const late = replicaEndpoint({ name: second });
  for (let count = 0; count < 4; count += 1)
    it.planner.note({ instance: second, ...failedAt(it.clock.now() + count) });
  expect(it.planner.verdictOf(late, it.core())).toEqual({
    kind: 'resting',
    reason: 'does not answer probes: refused',
  });
  expect(it.planner.nextReplicaIndex(it.core())).toBe(1);
  expect(it.planner.explain(it.planner.request(), it.core())).toMatchObject({
    instance: third,
    role: 'replica',
  });
});

function failedAt(atMs: number) {
  return { startedAtMs: atMs, endedAtMs: atMs, probe: { kind: 'failed', reason: 'refused' } } as const;
}

test('a token of a timeline that nobody has keeps to the primary, and is not handed on for ever', () => {
  const process = new Process();
  const systemIdentifier = '7421000000000000001';
  const wallMs = process.clock.wallNow().getTime();
  const future = formatToken({ timeline: 9, lsn: lsn(50) }, ['a key'], { systemIdentifier, wallMs });
  const handedOn = runInScope({ token: future }, () => {
    const request = process.planner.request();
    expect(process.read(request)).toBe(first);
    process.probeAll(100, 100, 100);
    expect(process.read(request)).toBe(first);
    expect(process.woken).toContain('a read waits for positions');
    return currentScope()?.token();
  });
  expect(handedOn).toMatch(/\.pending-/);
  runInScope({ token: handedOn }, () => {
    const request = process.planner.request();
    expect(process.read(request)).toBe(first);
    process.clock.advance(1);
    process.probeAll(100, 100, 100);
    expect([second, third]).toContain(process.read(request));
    expect(currentScope()?.token()).toMatch(/\.5\/64\./);
  });
});
