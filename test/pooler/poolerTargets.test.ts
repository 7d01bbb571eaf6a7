import { expect, test } from 'vitest';
import { poolerTargets } from '../../src/pooler/poolerTargets.ts';
import { endpointsDocument, replicaEndpoint } from '../fixtures/endpointsDocument.ts';

const host = (instance: string) => `${instance}-0.orders-instances.shop.svc`;
const to = (...instances: string[]) => ({ hosts: instances.map(host), port: 5432 });
const late = { routable: false, reason: 'lag is 12 s, more than 10 s' };
const noFallback = { maxLagSeconds: 10, resumeLagSeconds: 5, fallbackToPrimary: false };

test('writes go to the primary', () => {
  expect(poolerTargets('rw', endpointsDocument(), null)).toEqual(to('orders-1'));
});

test('writes stay with the former primary while there is none', () => {
  expect(poolerTargets('rw', endpointsDocument({ primary: null }), to('orders-3'))).toEqual(to('orders-3'));
});

test('reads go to all routable replicas, in the same order whatever the order of the document', () => {
  const { replicas } = endpointsDocument();

  expect(poolerTargets('ro', endpointsDocument({ replicas: replicas.toReversed() }), null)).toEqual(
    to('orders-2', 'orders-3'),
  );
});

test('a late replica and one of weight 0 take no reads', () => {
  const replicas = [
    replicaEndpoint({ name: 'orders-2', ...late }),
    replicaEndpoint({ name: 'orders-3' }),
    replicaEndpoint({ name: 'orders-4', weight: 0 }),
  ];

  expect(poolerTargets('ro', endpointsDocument({ replicas }), null)).toEqual(to('orders-3'));
});

test('without a routable replica the primary takes the reads when it may', () => {
  const replicas = [replicaEndpoint({ name: 'orders-2', ...late })];

  expect(poolerTargets('ro', endpointsDocument({ replicas }), to('orders-2'))).toEqual(to('orders-1'));
  expect(
    poolerTargets('ro', endpointsDocument({ replicas, routing: noFallback }), to('orders-2')),
  ).toBeNull();
});

test('reads do not stay with former replicas when there is neither replica nor primary', () => {
  expect(poolerTargets('ro', endpointsDocument({ replicas: [], primary: null }), to('orders-2'))).toBeNull();
});
