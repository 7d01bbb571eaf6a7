import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EndpointsDocument } from '../../src/endpoints/endpointsDocument.ts';
import { parseEndpoints } from '../../src/endpoints/parseEndpoints.ts';
import { type EndpointsFacts, planEndpoints, type ReplicaFacts } from '../../src/plan/endpoints.ts';
import { systemIdentifier, topology, wallTime } from '../fixtures/observed.ts';

const replica = (name: string, changes: Partial<ReplicaFacts> = {}): ReplicaFacts => ({
  name,
  zone: null,
  routable: true,
  reason: null,
  lagSeconds: 0,
  lagBytes: 0,
  ...changes,
});
const facts = (changes: Partial<EndpointsFacts> = {}): EndpointsFacts => ({
  topology: topology(),
  published: undefined,
  wallTime,
  systemIdentifier,
  epoch: 1,
  timeline: 1,
  primary: { name: 'orders-1', zone: 'a' },
  replicas: [replica('orders-2')],
  ...changes,
});

test('the document names everybody by the name that certificates are for', () => {
  expect(planEndpoints(facts())).toEqual({
    version: 1,
    topology: { namespace: 'shop', name: 'orders', systemIdentifier },
    epoch: 1,
    generation: 1,
    timeline: 1,
    publishedAt: wallTime,
    primary: { name: 'orders-1', host: 'orders-1-0.orders-instances.shop.svc', port: 5432, zone: 'a' },
    replicas: [
      {
        name: 'orders-2',
        host: 'orders-2-0.orders-instances.shop.svc',
        port: 5432,
        zone: null,
        weight: 1,
        routable: true,
        reason: null,
        lagSeconds: 0,
        lagBytes: 0,
      },
    ],
    poolers: {
      readWrite: { host: 'orders-pooler-rw.shop.svc', port: 6432 },
      readOnly: { host: 'orders-pooler-ro.shop.svc', port: 6433 },
    },
    routing: { maxLagSeconds: 10, resumeLagSeconds: 5, fallbackToPrimary: true },
  });
});

test('what is published can be read by its readers', () => {
  const document = planEndpoints(
    facts({ primary: undefined, replicas: [replica('orders-2', { lagSeconds: undefined })] }),
  );

  expect(parseEndpoints(JSON.stringify(document))).toEqual(document);
});

test('another lag or another wording is no other document', () => {
  const published = planEndpoints(facts());

  expect(
    planEndpoints(
      facts({ published, wallTime: 'later', replicas: [replica('orders-2', { lagSeconds: 3 })] }),
    ),
  ).toBe(published);
});

test('a document that was deleted continues from the generation that the status remembers', () => {
  const status = {
    routing: { configMap: 'orders-endpoints', generation: 41 },
    primary: { name: 'orders-1', epoch: 7 },
  };

  expect(planEndpoints(facts({ topology: topology({}, status) }))).toMatchObject({
    epoch: 7,
    generation: 42,
  });
});

test('whatever the facts, epoch and generation never go back and grow when what is said changes', () => {
  const step = fc.record({
    epoch: fc.nat(5),
    primary: fc.option(
      fc.constantFrom('orders-1', 'orders-2').map((name) => ({ name, zone: null })),
      { nil: undefined },
    ),
    routable: fc.boolean(),
    lost: fc.constantFrom('nothing', 'the document', 'the status'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let published: EndpointsDocument | undefined;
      for (const { epoch, primary, routable, lost } of steps) {
        const status = published && {
          routing: { configMap: 'orders-endpoints', generation: published.generation },
          primary: { name: 'orders-1', epoch: published.epoch },
        };
        const before = published;
        published = planEndpoints(
          facts({
            topology: topology({}, lost === 'the status' ? undefined : status),
            published: lost === 'the document' ? undefined : before,
            epoch,
            primary,
            replicas: [replica('orders-3', { routable, reason: routable ? null : 'is late' })],
          }),
        );
        if (before === undefined) continue;
        expect(published.epoch).toBeGreaterThanOrEqual(before.epoch);
        if (published !== before) expect(published.generation).toBe(before.generation + 1);
      }
    }),
  );
});
