import { expect, test } from 'vitest';
import { labels } from '../../src/api/names.ts';
import type { LiveObject } from '../../src/kube/kubeObject.ts';
import { Watches } from '../../src/operator/watches.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import { clientOf, recordingLog } from '../kube/kubeFixtures.ts';

const service = (topology: string, resourceVersion: string): LiveObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    namespace: 'shop',
    name: 'orders-primary',
    uid: 'u',
    resourceVersion,
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { [labels.topology]: topology },
  },
});

test('an object that is given to another topology is gone for one and new for the other', () => {
  const client = clientOf(new URL('http://localhost:1'));
  const watches = new Watches(
    { client, clock: new ManualClock(), random: () => 0, log: recordingLog() },
    undefined,
  );
  const told: string[] = [];
  watches.onChange((key, _kind, now, before) =>
    told.push(`${key} ${before?.metadata.resourceVersion ?? '-'} ${now?.metadata.resourceVersion ?? '-'}`),
  );
  for (const it of [service('orders', '1'), service('orders', '2'), service('bills', '3')]) watches.note(it);
  client.close();

  expect(told).toEqual(['shop/orders - 1', 'shop/orders 1 2', 'shop/orders 2 -', 'shop/bills - 3']);
});
