// What the plan is told, from what the stores hold.

import { expect, test } from 'vitest';
import { apiVersion, kind, labels } from '../../src/api/names.ts';
import type { LiveObject } from '../../src/kube/kubeObject.ts';
import { WorkQueue } from '../../src/kube/workQueue.ts';
import { Memory } from '../../src/operator/memory.ts';
import { NodeZones } from '../../src/operator/nodeZones.ts';
import { observe } from '../../src/operator/observe.ts';
import { Probes } from '../../src/operator/probes.ts';
import { Watches } from '../../src/operator/watches.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import { clientOf, recordingLog } from '../kube/kubeFixtures.ts';

const key = 'shop/orders';

/** Stores that hold what they are told, and no API server behind them. */
function cluster(...objects: readonly LiveObject[]) {
  const clock = new ManualClock();
  const client = clientOf(new URL('http://localhost:1'));
  const log = recordingLog();
  const random = () => 0;
  const watches = new Watches({ client, clock, random, log }, undefined);
  for (const it of objects) watches.note(it);
  const probes = new Probes({
    clock,
    random,
    log,
    onNews: () => {},
    onProbe: () => {},
    onForgotten: () => {},
  });
  const memory = new Memory();
  const deps = {
    client,
    watches,
    probes,
    memory,
    clock,
    random,
    log,
    zones: new NodeZones(client, clock),
    events: { record: () => {} },
    queue: new WorkQueue({ clock, random }),
    images: { operator: 'operator:1', pooler: 'pooler:1' },
    randomBytes: (size: number) => Buffer.alloc(size),
  };
  const read = async () => (await observe(key, deps, new AbortController().signal)).observed;
  return { read, memory, clock };
}

let lastVersion = 0;
const live = (
  of: string,
  name: string,
  { metadata = {}, ...rest }: { metadata?: object } = {},
): LiveObject => {
  lastVersion += 1;
  return {
    apiVersion: 'v1',
    kind: of,
    metadata: {
      name,
      namespace: 'shop',
      uid: `uid of ${name}`,
      resourceVersion: String(lastVersion),
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { [labels.topology]: 'orders' },
      ...metadata,
    },
    ...rest,
  };
};
const resource = () => ({
  ...live(kind, 'orders', { metadata: { generation: 1 } }),
  apiVersion,
  spec: { storage: { size: '1Gi' } },
});

test('a size that a volume may not grow to is a fact for five minutes', async () => {
  const claim = live('PersistentVolumeClaim', 'data-orders-1-0');
  const { read, memory, clock } = cluster(resource(), claim);
  memory.of(key).refusedSizes.set(claim.metadata.uid, { size: '2Gi', at: clock.now() });
  const refused = async () => (await read()).claims.map((it) => it.refusedBytes);

  clock.advance(299_999);
  expect(await refused()).toEqual([2 ** 31]);
  clock.advance(1);
  expect(await refused()).toEqual([undefined]);
});

test('a pod is out of date when its template has changed, or when its account is younger than itself', async () => {
  const own = { [labels.topology]: 'orders', [labels.instance]: 'orders-1', [labels.component]: 'instance' };
  const podOf = (revision: string) =>
    live('Pod', 'orders-1-0', { metadata: { labels: { ...own, 'controller-revision-hash': revision } } });
  const set = { ...live('StatefulSet', 'orders-1'), status: { updateRevision: 'orders-1-new' } };
  const account = (creationTimestamp: string) =>
    live('ServiceAccount', 'orders-instance', { metadata: { creationTimestamp } });
  const outdated = async (...objects: readonly LiveObject[]) =>
    (await cluster(resource(), ...objects).read()).instances.map((it) => it.pod?.outdated);
  const asOld = account('2026-01-01T00:00:00Z');

  expect(await outdated(podOf('orders-1-new'), set, asOld)).toEqual([[]]);
  expect(await outdated(podOf('orders-1-old'), set, asOld)).toEqual([['pod template']]);
  expect(await outdated(podOf('orders-1-new'), set, account('2026-01-01T00:00:01Z'))).toEqual([
    ['service account'],
  ]);
});
