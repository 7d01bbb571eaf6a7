import { expect, test } from 'vitest';
import { LagBook } from '../../../src/router/consistency/lagBook.ts';
import type { AnsweredProbe, Observation } from '../../../src/router/observation.ts';
import { endpointsDocument } from '../../fixtures/endpointsDocument.ts';
import { lsn } from '../../fixtures/lagView.ts';

const [first, second] = ['orders-1', 'orders-2'];

type Answer = Partial<AnsweredProbe> & { readonly tookMs?: number };

function answered(
  instance: string,
  atMs: number,
  position: number,
  { tookMs = 1, ...more }: Answer,
): Observation {
  return {
    instance,
    startedAtMs: atMs,
    endedAtMs: atMs + tookMs,
    probe: {
      kind: 'answered',
      role: 'replica',
      systemIdentifier: '7421000000000000001',
      timeline: 5,
      lsn: lsn(position),
      isStreaming: true,
      serverVersion: 150_000,
      ...more,
    },
  };
}

/** A book that is told what happens, second by second. */
class Told {
  readonly book = new LagBook();

  constructor() {
    this.book.follow(endpointsDocument(), first);
  }

  primary(atMs: number, position: number, more: Answer = {}): this {
    this.book.note(answered(first, atMs, position, { role: 'primary', ...more }));
    return this;
  }

  replica(atMs: number, position: number, more: Answer = {}): this {
    this.book.note(answered(second, atMs, position, more));
    return this;
  }

  failed(instance: string, atMs: number, refusal?: string): this {
    const reason = refusal === undefined ? 'connection refused' : 'sorry, too many clients already';
    const probe = { kind: 'failed', reason, refusal } as const;
    this.book.note({ instance, startedAtMs: atMs, endedAtMs: atMs + 1, probe });
    return this;
  }

  get lateReason(): string | null | undefined {
    return this.book.view.replicas.get(second)?.lateReason;
  }

  get replayed(): bigint | null | undefined {
    return this.book.view.replicas.get(second)?.replayed;
  }
}

const unknown = (reason: string, atLeastMs = 0, bytes: number | null = null) => {
  return { kind: 'unknown', reason, atLeastMs, bytes };
};
/** The replica's receiver is dead, or not, while the primary writes 100 bytes a second, from second to second. */
function seconds(
  told: Told,
  from: number,
  to: number,
  replayed: (second: number) => number,
  more: Answer = {},
): Told {
  for (let at = from; at < to; at += 1) {
    told.primary(at * 1_000, at * 100).replica(at * 1_000 + 10, replayed(at), more);
  }
  return told;
}

test('what nobody has looked at is unknown', () => {
  expect(new Told().book.lagOf(second)).toEqual(unknown('has not been observed'));
  expect(new Told().replica(0, 50).book.lagOf(second)).toEqual(
    unknown('no position of the primary is known'),
  );
});

test('a replica that has answered before its primary is measured by the first position of that', () => {
  expect(new Told().replica(1_000, 50).primary(1_005, 50).book.lagOf(second)).toMatchObject({
    ms: 0,
    bytes: 0,
  });
  expect(new Told().replica(1_000, 40).primary(1_005, 50).book.lagOf(second)).toEqual(
    unknown('is behind every position that is known', 0, 10),
  );
});

test('a replica that has replayed the newest position has no lag, however long the primary is idle', () => {
  const told = new Told();
  for (let at = 0; at < 100; at += 1) told.primary(at * 1_000, 50).replica(at * 1_000 + 10, 50);

  expect(told.book.lagOf(second)).toEqual({ kind: 'known', ms: 0, bytes: 0 });
  expect(told.lateReason).toBeNull();
});

test('lag is told by our own clock, in time and bytes', () => {
  const told = seconds(new Told(), 1, 8, (at) => at * 100 - 250);

  // At 7.011 s it has replayed 450, which the primary had passed in its sample of 4 s.
  expect(told.book.lagOf(second)).toEqual({ kind: 'known', ms: 3_011, bytes: 250 });
});

test('the lag of a replica whose receiver is dead is unknown, never 0, on an idle primary too', () => {
  const told = new Told();
  const down = { isStreaming: false };
  for (let at = 0; at < 9; at += 1) told.primary(at * 1_000, 50).replica(at * 1_000 + 10, 50, down);

  expect(told.book.lagOf(second)).toEqual(unknown('has no WAL receiver that streams', 0, 0));
  expect(told.lateReason).toBeNull();
  for (let at = 9; at < 12; at += 1) told.primary(at * 1_000, 50).replica(at * 1_000 + 10, 50, down);
  expect(told.lateReason).toBe('has no WAL receiver that streams');
});

test('a replica whose receiver is dead leaves by its lag when the primary goes on', () => {
  const told = seconds(new Told(), 1, 20, (at) => Math.min(at, 5) * 100, { isStreaming: false });

  expect(told.lateReason).toBe('lags behind by 10 s or more');
});

test('during a failover nothing grows older, so replicas go on serving what there is', () => {
  const told = seconds(new Told(), 1, 5, (at) => at * 100 - 50);
  for (let at = 5; at < 60; at += 1) {
    told.failed(first, at * 1_000).replica(at * 1_000 + 10, 380, { isStreaming: false });
  }

  expect(told.lateReason).toBeNull();
  expect(told.book.lagOf(second)).toEqual(unknown('has no WAL receiver that streams', 1_000, 20));
});

test('a replica leaves at the maximal lag and comes back after two samples below the resume lag', () => {
  const told = seconds(new Told(), 1, 30, () => 100);
  expect(told.lateReason).toBe('lags behind by 10 s or more');
  seconds(told, 30, 31, (at) => at * 100 - 700);
  expect(told.lateReason).toBe('lags behind by 10 s or more');
  seconds(told, 31, 32, (at) => at * 100 - 300);
  expect(told.lateReason).toBe('lags behind by 10 s or more');
  seconds(told, 32, 33, (at) => at * 100 - 300);
  expect(told.lateReason).toBeNull();
});

test('a replica that hovers around the limit does not come and go', () => {
  const told = new Told();
  const verdicts = new Set<string | null | undefined>();
  for (let at = 1; at < 200; at += 1) {
    seconds(told, at, at + 1, (second) => Math.max(1, second * 100 - (at % 2 === 0 ? 1_050 : 850)));
    if (at > 20) verdicts.add(told.lateReason);
  }

  expect(verdicts).toEqual(new Set(['lags behind by 10 s or more']));
});

test('while the primary is not sampled the lag is unknown, and only one that is far behind leaves', () => {
  const near = seconds(new Told(), 1, 3, (at) => at * 100);
  const far = new Told().primary(1_000, 100).primary(2_000, 100_000_000).replica(2_010, 100);
  for (let at = 3; at < 9; at += 1) {
    near.replica(at * 1_000, at * 100);
    far.replica(at * 1_000, 100);
  }

  expect(near.book.lagOf(second)).toEqual(unknown('the primary has not answered lately', 0, 0));
  expect([near.lateReason, far.lateReason]).toEqual([null, 'has had an unknown lag for some time']);
});

test('a replica that is not asked any more has an unknown lag', () => {
  const told = seconds(new Told(), 1, 3, (at) => at * 100);
  for (let at = 3; at < 8; at += 1) told.primary(at * 1_000, at * 100);

  expect(told.book.lagOf(second)).toEqual(unknown('has not been observed lately'));
});

test('a replica that does not answer leaves after the grace period, and comes back after two samples', () => {
  const told = seconds(new Told(), 1, 3, (at) => at * 100);
  for (let at = 3; at < 6; at += 1) told.failed(second, at * 1_000);
  expect(told.lateReason).toBeNull();
  told.failed(second, 6_000);
  expect(told.lateReason).toBe('has not answered any of the last probes');
  seconds(told, 7, 8, (at) => at * 100);
  expect(told.lateReason).toBe('has not answered any of the last probes');
  seconds(told, 8, 9, (at) => at * 100);
  expect(told.lateReason).toBeNull();
});

test('a replica that refuses probes keeps its reads until it may be late, and says what to do', () => {
  const told = seconds(new Told(), 1, 6, (at) => at * 100 - 200);
  expect(told.book.lagOf(second)).toMatchObject({ ms: 2_011 });
  for (let at = 6; at <= 12; at += 1) told.failed(second, at * 1_000, '53300');
  expect(told.lateReason).toBeNull();
  expect(told.book.lagOf(second)).toMatchObject({ kind: 'unknown', bytes: null });
  told.failed(second, 13_000, '53300');
  const reason =
    'refuses to be probed, so that its lag is unknown (53300: sorry, too many clients already); ' +
    'leave a connection for its probe: raise max_connections or the limit of the role, or lower poolSize';
  expect(told.lateReason).toBe(reason);
  seconds(told, 14, 15, (at) => at * 100);
  expect(told.lateReason).toBe(reason);
  seconds(told, 15, 16, (at) => at * 100);
  expect(told.lateReason).toBeNull();
});

test('a replica that has refused every probe is believed for the maximal lag, and one that was late stays late', () => {
  const told = new Told();
  for (let at = 1; at <= 10; at += 1) told.failed(second, at * 1_000, '42501');
  expect(told.lateReason).toBeNull();
  told.failed(second, 11_001, '42501');
  expect(told.lateReason).toMatch(/^refuses to be probed/);

  const late = seconds(new Told(), 1, 30, () => 100).failed(second, 30_000, '53300');
  expect(late.lateReason).toBe('lags behind by 10 s or more');
});

test('a pause of our own process makes nobody late', () => {
  const told = seconds(new Told(), 1, 5, (at) => at * 100);
  const hour = 3_600;
  // The probes that were under way fail, then both answer, in whatever order.
  told.failed(second, hour * 1_000).failed(first, hour * 1_000);
  told
    .replica(hour * 1_000 + 100, 90_000)
    .primary(hour * 1_000 + 101, 90_000)
    .replica(hour * 1_000 + 350, 90_000);

  expect(told.lateReason).toBeNull();
});

test('an instance of another cluster, or one that has become a primary, is no replica', () => {
  const told = seconds(new Told(), 1, 3, (at) => at * 100);

  expect(told.replica(3_000, 300, { systemIdentifier: '1' }).lateReason).toBe('belongs to another cluster');
  expect(told.replica(4_000, 300, { role: 'primary' }).lateReason).toBe('answers as a primary');
});

test('an instance that may not tell its database system counts as one of ours', () => {
  const unknown = { systemIdentifier: null };
  const told = new Told().primary(0, 100, unknown).replica(10, 100, unknown);

  expect([told.lateReason, told.book.lagOf(second)]).toEqual([null, { kind: 'known', ms: 0, bytes: 0 }]);
});

test('a new timeline starts over, and a replica counts again once it follows', () => {
  const told = seconds(new Told(), 1, 5, (at) => at * 100);
  told.primary(5_000, 600, { timeline: 6 }).replica(5_010, 450);
  expect(told.book.lagOf(second)).toEqual(unknown('follows timeline 5, not 6'));
  told.replica(6_010, 600, { timeline: 6 });
  expect(told.book.lagOf(second)).toEqual({ kind: 'known', ms: 0, bytes: 0 });
});

test('samples count only of the primary that is followed', () => {
  const told = seconds(new Told(), 1, 5, (at) => at * 100);
  told.book.follow(endpointsDocument(), 'orders-3');
  expect(told.book.view.primary).toBeNull();
  told.primary(5_000, 500);
  expect(told.book.view.primary).toBeNull();
  told.book.note(answered('orders-3', 5_000, 500, { role: 'primary', timeline: 6 }));
  expect(told.book.view.primary).toMatchObject({ name: 'orders-3', timeline: 6 });
});

test('while nobody is primary, what the last one had still says what replicas must have', () => {
  const told = seconds(new Told(), 1, 5, (at) => at * 100);
  told.book.follow(endpointsDocument({ primary: null }), null);

  expect(told.book.view.primary).toMatchObject({ name: first, timeline: 5, answers: false });
  expect(told.replica(5_000, 400).book.lagOf(second)).toEqual(
    unknown('the primary has not answered lately', 0, 0),
  );
});

test('a position is forgotten when a connection is lost, and an answer from before does not bring it back', () => {
  const told = seconds(new Told(), 1, 3, (at) => at * 100);
  told.book.noteConnectionLost(second, 3_000);
  expect(told.replayed).toBeNull();
  expect(told.replica(2_990, 290, { tookMs: 20 }).replayed).toBeNull();
  expect(told.replica(3_001, 250).replayed).toBe(250n);
});

test('a primary that lost what it had not flushed starts over', () => {
  const told = new Told().primary(1_000, 500).replica(1_010, 400).primary(2_000, 400).replica(2_010, 400);

  expect(told.book.lagOf(second)).toEqual({ kind: 'known', ms: 0, bytes: 0 });
});

test('speed is measured while a replica is busy, and is a least one while it is not', () => {
  const told = new Told().primary(0, 100_000).replica(10, 0).replica(1_010, 20_000);
  const speed = () => told.book.view.replicas.get(second)?.replayBytesPerMs;
  expect(speed()).toBe(20);
  told.replica(2_010, 100_000);
  expect(speed()).toBe(80);
  told.replica(3_010, 100_000);
  expect(speed()).toBe(80);
});

test('what listens hears of every change, and no more than a thousand listen', () => {
  const told = new Told();
  let heard = 0;
  const stop = told.book.onChange(() => {
    heard += 1;
  });
  told.replica(0, 1);
  stop?.();
  told.replica(1, 2);
  expect(heard).toBe(1);
  for (let count = 0; count < 1_000; count += 1) told.book.onChange(() => {});
  expect(told.book.onChange(() => {})).toBeUndefined();
});
