import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EndpointsDocument } from '../../src/endpoints/endpointsDocument.ts';
import {
  afterFailure,
  chooseReplica,
  type Health,
  type ReadFacts,
  restBounds,
} from '../../src/router/chooseReplica.ts';
import { endpointsDocument, replicaEndpoint } from '../fixtures/endpointsDocument.ts';
import { seeded } from '../fixtures/propertySeed.ts';

const [second, third] = ['orders-2', 'orders-3'];

function facts(differences: Partial<ReadFacts> = {}): ReadFacts {
  return {
    document: endpointsDocument(),
    health: new Map(),
    tried: new Set(),
    turn: 0,
    isOverflow: false,
    nowMs: 1_000,
    ...differences,
  };
}

/** The name of the instance that a read goes to, or why there is none. */
function chosen(differences: Partial<ReadFacts>): string {
  const choice = chooseReplica(facts(differences));
  return choice.kind === 'none' ? choice.reason : choice.endpoint.name;
}

const resting = (reason = 'connection refused'): Health => ({
  failures: 1,
  failedAtMs: 900,
  restsUntilMs: 2_000,
  reason,
});
const withFallback = (fallbackToPrimary: boolean): EndpointsDocument =>
  endpointsDocument({ routing: { maxLagSeconds: 10, resumeLagSeconds: 5, fallbackToPrimary } });

test('reads take the replicas in turn', () => {
  expect([0, 1, 2, 3].map((turn) => chosen({ turn }))).toEqual([second, third, second, third]);
});

test('a replica that is not routable, or has no weight, takes no reads', () => {
  const document = endpointsDocument({
    replicas: [
      replicaEndpoint({ name: 'orders-2', routable: false, reason: 'lag is unknown' }),
      replicaEndpoint({ name: 'orders-3', weight: 0 }),
      replicaEndpoint({ name: 'orders-4' }),
    ],
  });
  expect([0, 1, 2].map((turn) => chosen({ document, turn }))).toEqual(['orders-4', 'orders-4', 'orders-4']);
});

test('a replica that has failed rests, and its share is spread over all the others', () => {
  const replicas = ['orders-2', 'orders-3', 'orders-4'].map((name) => replicaEndpoint({ name }));
  const health = new Map([[third, resting()]]);
  const names = [0, 1, 2, 3].map((turn) =>
    chosen({ document: endpointsDocument({ replicas }), health, turn }),
  );
  expect(names).toEqual(['orders-2', 'orders-4', 'orders-2', 'orders-4']);
});

test('a replica whose rest is over is asked again', () => {
  expect(chosen({ health: new Map([[second, resting()]]), nowMs: 2_000 })).toBe(second);
});

test('the primary answers reads when no replica serves', () => {
  expect(chosen({ document: endpointsDocument({ replicas: [] }) })).toBe('orders-1');
  expect(chosen({ health: new Map([second, third].map((name) => [name, resting()])) })).toBe('orders-1');
});

test('a read that failed on every replica goes to the primary', () => {
  expect(chosen({ tried: new Set([second, third]) })).toBe('orders-1');
});

test('what overflows from a replica goes to the next one, never to the primary', () => {
  expect(chosen({ tried: new Set([second]), isOverflow: true })).toBe(third);
  expect(chosen({ tried: new Set([second, third]), isOverflow: true })).toBe(
    'orders-2 was tried; orders-3 was tried; orders-1 (primary) may not serve reads',
  );
});

test('where the primary may not answer reads, a resting replica is asked before giving up', () => {
  const health = new Map([second, third].map((name) => [name, resting()]));
  expect(chosen({ document: withFallback(false), health })).toBe(second);
});

test('a read that nobody may answer says why for each instance', () => {
  const replicas = [
    replicaEndpoint({ name: 'orders-2', routable: false, reason: 'lags by 42 s' }),
    replicaEndpoint({ name: 'orders-3' }),
  ];
  const document = { ...withFallback(false), replicas };
  expect(chosen({ document, tried: new Set([third]), health: new Map([[third, resting()]]) })).toBe(
    'orders-2 lags by 42 s; orders-3 connection refused; orders-1 (primary) may not serve reads',
  );
  expect(chosen({ document: { ...document, primary: null, replicas: [] } })).toBe('there is no primary');
});

test('however instances fail, a read asks each at most once and never one that is excluded', () => {
  const replica = fc.record({
    routable: fc.boolean(),
    weight: fc.constantFrom(0, 1),
    isResting: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(replica, { maxLength: 6 }), fc.nat(), fc.boolean(), (states, turn, fallback) => {
      const names = states.map((_, index) => `orders-${index + 2}`);
      const document = {
        ...withFallback(fallback),
        replicas: states.map(({ routable, weight }, index) =>
          replicaEndpoint({ name: names[index] ?? '', routable, weight }),
        ),
      };
      const health = new Map(names.filter((_, i) => states[i]?.isResting).map((name) => [name, resting()]));
      const tried = new Set<string>();
      for (;;) {
        const choice = chooseReplica(facts({ document, health, tried, turn }));
        if (choice.kind === 'none') break;
        expect(tried).not.toContain(choice.endpoint.name);
        tried.add(choice.endpoint.name);
      }
      const allowed = document.replicas.filter(({ routable, weight }) => routable && weight > 0);
      const expected = [...allowed.map(({ name }) => name), ...(fallback ? ['orders-1'] : [])];
      expect([...tried].toSorted()).toEqual(expected.toSorted());
    }),
    seeded(),
  );
});

test('rests grow with each failure up to half a minute', () => {
  const rests: number[] = [];
  let health: Health | undefined;
  for (let nowMs = 0; rests.length < 8; nowMs = health.restsUntilMs) {
    health = afterFailure(health, 'refused', nowMs, 0);
    rests.push(health.restsUntilMs - nowMs);
  }
  expect(rests).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, restBounds.maxMs, restBounds.maxMs]);
});
