import { expect, test } from 'vitest';
import { explainRead } from '../../../src/router/balance/explainRead.ts';
import type { Health } from '../../../src/router/balance/judgeReplica.ts';
import { planRead } from '../../../src/router/balance/planRead.ts';
import type { BalanceFacts, ReadFacts, ReplicaLoad } from '../../../src/router/balance/readFacts.ts';
import { noNeeds } from '../../../src/router/consistency/readNeeds.ts';
import { endpointsDocument, primaryEndpoint, replicaEndpoint } from '../../fixtures/endpointsDocument.ts';
import { lagView, lsn, primaryView, replicaView } from '../../fixtures/lagView.ts';

const [second, third] = ['orders-2', 'orders-3'];

function facts(differences: Partial<ReadFacts> = {}): ReadFacts {
  return {
    document: endpointsDocument(),
    health: new Map(),
    tried: new Set(),
    turn: 0,
    isOverflow: false,
    nowMs: 1_000,
    observed: lagView([replicaView(second), replicaView(third)]),
    ...differences,
  };
}

/** Where a read goes, and why when that is not a replica. */
function planned(differences: Partial<ReadFacts>): string {
  const choice = planRead(facts(differences));
  if (choice.kind === 'none') return `none: ${choice.reason}`;
  return choice.kind === 'replica' ? choice.endpoint.name : `primary: ${choice.why}`;
}

const load = (differences: Partial<ReplicaLoad> = {}): ReplicaLoad => ({
  inFlight: 0,
  latency: null,
  turn: 0,
  servingSinceMs: Number.NEGATIVE_INFINITY,
  answeredAtMs: Number.NEGATIVE_INFINITY,
  ...differences,
});
const balance = (loads: Record<string, ReplicaLoad>, more: Partial<BalanceFacts> = {}): BalanceFacts => ({
  strategy: 'round-robin',
  zone: null,
  zoneSpillInFlight: 10,
  slowStartMs: 10_000,
  loads: new Map(Object.entries(loads)),
  random: 0,
  ...more,
});
const late = { lateReason: 'lags behind by 10 s or more' };
const floor = { timeline: 5, lsn: lsn(200) };
const withoutFallback = endpointsDocument({
  routing: { maxLagSeconds: 10, resumeLagSeconds: 5, fallbackToPrimary: false },
});
const resting: Health = { failures: 1, failedAtMs: 900, restsUntilMs: 2_000, reason: 'connection refused' };

test('a strong read goes to the primary, and is not one that was diverted', () => {
  const needs = { ...noNeeds, primaryOnly: 'strong consistency was asked for', isStrong: true };

  expect(planRead(facts({ needs }))).toEqual({
    kind: 'primary',
    endpoint: primaryEndpoint(),
    why: 'strong consistency was asked for',
    isDiverted: false,
    isReplicaServing: true,
  });
});

test('a read that is on the primary for what it needs is told from one that no replica could serve', () => {
  const isServing = (more: Parameters<typeof facts>[0]) => {
    const choice = planRead(facts(more));
    return choice.kind === 'primary' ? choice.isReplicaServing : choice.kind;
  };
  const needs = { ...noNeeds, floor };
  const allLate = lagView([replicaView(second, late), replicaView(third, late)]);
  expect(isServing({ needs })).toBe(true);
  expect(isServing({ needs: { ...noNeeds, primaryOnly: 'a write is not covered' } })).toBe(true);
  expect(isServing({ needs, observed: allLate })).toBe(false);
  expect(isServing({ observed: allLate })).toBe(false);
  expect(isServing({ needs: { ...noNeeds, primaryOnly: 'a write is not covered' }, observed: allLate })).toBe(
    false,
  );
});

test('a strong read without a primary is answered by nobody', () => {
  const needs = { ...noNeeds, primaryOnly: 'strong consistency was asked for', isStrong: true };

  expect(planned({ needs, document: endpointsDocument({ primary: null }) })).toBe(
    'none: strong consistency was asked for; there is no primary',
  );
});

test('a read with a floor goes to a replica that has replayed it', () => {
  const observed = lagView([replicaView(second), replicaView(third, { replayed: lsn(200) })]);

  expect(planned({ needs: { ...noNeeds, floor }, observed })).toBe(third);
});

test('a read with a floor that no replica has replayed goes to the primary, also where reads may not fall back', () => {
  const needs = { ...noNeeds, floor };

  expect(planned({ needs })).toBe('primary: orders-2 has not replayed 0/C8');
  expect(planned({ needs, document: withoutFallback })).toBe('primary: orders-2 has not replayed 0/C8');
});

test('a read with a floor does not trust a replica of another timeline, or one that nobody has observed', () => {
  const needs = { ...noNeeds, floor };
  const elsewhere = replicaView(second, { timeline: 4, replayed: lsn(900) });

  expect(planned({ needs, observed: lagView([elsewhere]) })).toBe(
    'primary: orders-2 follows timeline 4, not 5',
  );
  expect(planned({ needs, observed: lagView([]) })).toBe('primary: orders-2 has no known position');
});

test('a read of bounded age goes where nothing older can be', () => {
  const observed = lagView([
    replicaView(second, { freshAsOfMs: 700 }),
    replicaView(third, { freshAsOfMs: 900 }),
  ]);

  expect(planned({ needs: { ...noNeeds, maxAgeMs: 100 }, observed })).toBe(third);
  expect(planned({ needs: { ...noNeeds, maxAgeMs: 99 }, observed })).toBe(
    'primary: orders-2 may be more than 99 ms behind',
  );
});

test('a replica that we find late is left out, whatever the document says', () => {
  expect(planned({ observed: lagView([replicaView(second, late), replicaView(third)]) })).toBe(third);
});

test('a replica that the document leaves out stays out, whatever we find', () => {
  const document = endpointsDocument({
    replicas: [
      replicaEndpoint({ name: second, routable: false, reason: 'is cloned' }),
      replicaEndpoint({ name: third }),
    ],
  });

  expect([0, 1].map((turn) => planned({ document, turn }))).toEqual([third, third]);
});

test('when every replica is late, the primary answers; or the least late one where that is wished', () => {
  const lag = (ms: number) => ({ ...late, lag: { kind: 'known', ms, bytes: 0 } }) as const;
  const observed = lagView([replicaView(second, lag(30_000)), replicaView(third, lag(12_000))]);

  expect(planned({ observed })).toBe('primary: no replica serves');
  expect(planned({ observed, whenLate: 'least-late' })).toBe(third);
  expect(planned({ observed, document: withoutFallback })).toMatch(
    'none: orders-2 lags behind by 10 s or more',
  );
});

test('a read that needs something is not given the least late replica', () => {
  const observed = lagView([replicaView(second, late), replicaView(third, late)]);

  expect(planned({ observed, whenLate: 'least-late', needs: { ...noNeeds, maxAgeMs: 1_000 } })).toBe(
    'primary: no replica serves',
  );
});

test('a replica that does not answer two probes in a row rests, until it answers a statement or a probe', () => {
  const silent = replicaView(second, { failedProbes: 2, failedAtMs: 900, failure: 'timeout' });
  const observed = lagView([silent, replicaView(third)]);

  expect([0, 1].map((turn) => planned({ observed, turn }))).toEqual([third, third]);
  const answered = balance({ [second]: load({ answeredAtMs: 950, turn: 1 }), [third]: load() });
  expect(planned({ observed, balance: answered })).toBe(second);
  const once = lagView([{ ...silent, failedProbes: 1 }, replicaView(third)]);
  expect(planned({ observed: once })).toBe(second);
});

test('a replica that refuses probes is alive, and serves as long as it is not late', () => {
  const refusing = replicaView(second, {
    failedProbes: 9,
    failedAtMs: 900,
    failure: 'full',
    refusal: '53300',
  });
  const late = { ...refusing, lateReason: 'refuses to be probed' };

  expect(planned({ observed: lagView([refusing, replicaView(third)]) })).toBe(second);
  expect(planned({ observed: lagView([late, replicaView(third)]) })).toBe(third);
  expect(planned({ observed: lagView([late, { ...late, name: third }]) })).toBe('primary: no replica serves');
});

test('resting replicas are asked when nobody else is left', () => {
  const health = new Map([second, third].map((name) => [name, resting]));

  expect(planned({ health, document: withoutFallback })).toBe(second);
});

test('what overflows from a replica never goes to the primary, whatever it needs', () => {
  const differences = { needs: { ...noNeeds, floor }, isOverflow: true };

  expect(planned(differences)).toBe(
    'none: orders-2 has not replayed 0/C8; orders-3 has not replayed 0/C8; orders-1 (primary) may not serve reads',
  );
});

test('a promoted replica is the primary, and no replica any more', () => {
  const primary = primaryEndpoint({ name: second });

  expect([0, 1].map((turn) => planned({ primary, turn }))).toEqual([third, third]);
  expect(planned({ primary, needs: { ...noNeeds, primaryOnly: 'strong', isStrong: true } })).toBe(
    'primary: strong',
  );
});

test('a scope stays with the replica it reads from while its positions are not known', () => {
  const needs = { ...noNeeds, prefers: third };
  const even = balance({ [second]: load({ turn: 1 }), [third]: load() });

  expect(planned({ balance: even })).toBe(second);
  expect(planned({ balance: even, needs })).toBe(third);
});

test('replicas of the own zone are preferred, until each of them has as much as it should', () => {
  const replicas = [
    replicaEndpoint({ name: second, zone: 'a' }),
    replicaEndpoint({ name: third, zone: 'b' }),
  ];
  const document = endpointsDocument({ replicas });
  const inZone = (inFlight: number) =>
    balance(
      { [second]: load({ turn: 5 }), [third]: load({ inFlight }) },
      { zone: 'b', zoneSpillInFlight: 3 },
    );

  expect(planned({ document, balance: inZone(2) })).toBe(third);
  expect(planned({ document, balance: inZone(3) })).toBe(second);
  expect(planned({ document, balance: balance({ [second]: load({ turn: 5 }) }, { zone: 'c' }) })).toBe(
    second,
  );
});

test('an explanation names every replica and why the read does not go there', () => {
  const observed = lagView([replicaView(second), replicaView(third, late)], primaryView());

  expect(explainRead(facts({ observed }))).toEqual({
    instance: second,
    role: 'replica',
    why: 'round-robin over the replicas that can show it',
    replicas: [
      { name: second, rejected: null, lag: { kind: 'known', ms: 0, bytes: 0 }, inFlight: 0 },
      {
        name: third,
        rejected: 'lags behind by 10 s or more',
        lag: { kind: 'known', ms: 0, bytes: 0 },
        inFlight: 0,
      },
    ],
  });
});
