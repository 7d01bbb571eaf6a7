import { afterEach, expect, test } from 'vitest';
import { readAgentSettings } from '../../src/agent/agentSettings.ts';
import { PrimaryLease } from '../../src/agent/primaryLease.ts';
import type { EndpointsDocument } from '../../src/endpoints/endpointsDocument.ts';
import { silentLog } from '../../src/lib/log.ts';
import { LeaseServer } from '../fixtures/leaseServer.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import { config } from '../plan/instanceFixtures.ts';

const path = '/apis/coordination.k8s.io/v1/namespaces/shop/leases/orders-primary';
const position = { systemIdentifier: '7', timeline: 1, walPosition: '0/3000000' };
const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

function agentOf(instance: string, kube: LeaseServer, clock: ManualClock) {
  const settings = readAgentSettings({
    RM_TOPOLOGY: 'orders',
    RM_NAMESPACE: 'shop',
    RM_INSTANCE: instance,
    RM_POD_NAME: `${instance}-0`,
    RM_POD_UID: 'uid',
  });
  const changes: number[] = [];
  const onChange = () => changes.push(clock.now());
  const lease = new PrimaryLease({
    kube,
    settings,
    clock,
    log: silentLog,
    onChange,
    topologyUid: () => config.topology.uid,
  });
  const stop = new AbortController();
  stops.push(stop);
  return { lease, changes, run: () => void lease.run(stop.signal), signal: stop.signal };
}

const spec = (kube: LeaseServer) => kube.get<{ spec: Record<string, unknown> }>(path)?.spec;

test('of two instances that make the Lease at once, one holds it and the other knows', async () => {
  const [kube, clock] = [new LeaseServer(), new ManualClock()];
  const [first, second] = [agentOf('orders-1', kube, clock), agentOf('orders-2', kube, clock)];
  await Promise.all([
    first.lease.create(1, config, first.signal),
    second.lease.create(1, config, second.signal),
  ]);
  for (const { lease } of [first, second]) {
    expect(lease.fact).toEqual({
      kind: 'held',
      holder: 'orders-1',
      epoch: 1,
      systemIdentifier: null,
      unchangedForMs: 0,
    });
  }
});

test('the holder renews every two seconds with its position, and nobody else writes', async () => {
  const [kube, clock] = [new LeaseServer(), new ManualClock()];
  const [first, second] = [agentOf('orders-1', kube, clock), agentOf('orders-2', kube, clock)];
  await first.lease.create(1, config, first.signal);
  for (const it of [first, second]) {
    it.lease.renewWith(position, 10);
    it.run();
  }
  for (let turn = 0; turn < 60; turn += 1) {
    await clock.slept(1_000);
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(kube.writes.length).toBeGreaterThanOrEqual(30);
  expect(kube.writes.length).toBeLessThanOrEqual(32);
  expect(second.lease.fact).toMatchObject({ holder: 'orders-1', systemIdentifier: '7' });
  expect(kube.get(path)).toMatchObject({
    metadata: {
      annotations: {
        'replica-manager.io/system-identifier': '7',
        'replica-manager.io/timeline': '1',
        'replica-manager.io/wal-position': '0/3000000',
      },
    },
    spec: { holderIdentity: 'orders-1', leaseTransitions: 1 },
  });
});

test('a holder that was replaced learns it from its own renewal and never writes again', async () => {
  const [kube, clock] = [new LeaseServer(), new ManualClock()];
  const first = agentOf('orders-1', kube, clock);
  await first.lease.create(1, config, first.signal);
  const stored = kube.get<{ metadata: { name: string }; spec: object }>(path);
  kube.put(path, {
    ...stored,
    metadata: { name: 'orders-primary' },
    spec: { holderIdentity: 'orders-2', leaseTransitions: 2 },
  });
  const before = kube.writes.length;
  first.lease.renewWith(position);
  first.run();
  for (let turn = 0; turn < 5; turn += 1) await clock.pass(1_000);
  expect(first.lease.fact).toMatchObject({ kind: 'held', holder: 'orders-2', epoch: 2 });
  expect(kube.writes).toHaveLength(before);
});

test('an API server that does not answer leaves the last word in force, and its age grows', async () => {
  const [kube, clock] = [new LeaseServer(), new ManualClock()];
  const first = agentOf('orders-1', kube, clock);
  expect(first.lease.fact).toEqual({ kind: 'unknown', reason: 'it was not read yet' });
  await first.lease.create(1, config, first.signal);
  kube.isAway = true;
  first.lease.renewWith(position);
  first.run();
  for (let turn = 0; turn < 8; turn += 1) await clock.pass(1_000);
  expect(first.lease.fact).toMatchObject({ kind: 'held', holder: 'orders-1', unchangedForMs: 8_000 });
  await clock.slept(1_000);
  kube.isAway = false;
  await clock.pass(1_000);
  await clock.slept(1_000);
  expect(first.lease.fact).toMatchObject({ unchangedForMs: 0 });
});

test('a Lease that is deleted is missing, and for how long is known', async () => {
  const [kube, clock] = [new LeaseServer(), new ManualClock()];
  const second = agentOf('orders-2', kube, clock);
  await second.lease.create(1, config, second.signal);
  kube.objects.delete(path);
  second.run();
  for (let turn = 0; turn < 3; turn += 1) await clock.pass(1_000);
  await clock.slept(1_000);
  expect(second.lease.fact).toEqual({ kind: 'missing', missingForMs: 3_000, publishedEpoch: 0 });
  expect(spec(kube)).toBeUndefined();
});

test('who finds no Lease learns the epoch that was published, or that it cannot be read', async () => {
  const document: EndpointsDocument = {
    version: 1,
    topology: { namespace: 'shop', name: 'orders', systemIdentifier: '7' },
    epoch: 4,
    generation: 9,
    timeline: 4,
    publishedAt: '2026-01-01T00:00:00Z',
    primary: null,
    replicas: [],
    poolers: { readWrite: null, readOnly: null },
    routing: { maxLagSeconds: 10, resumeLagSeconds: 5, fallbackToPrimary: true },
  };
  const cases: readonly [Record<string, string> | undefined, number | null][] = [
    [undefined, 0],
    [{ 'endpoints.json': JSON.stringify(document) }, 4],
    [{ 'endpoints.json': '{' }, null],
    [{}, null],
  ];
  for (const [published, publishedEpoch] of cases) {
    const [kube, clock] = [new LeaseServer(), new ManualClock()];
    if (published !== undefined)
      kube.put('/api/v1/namespaces/shop/configmaps/orders-endpoints', {
        metadata: { name: 'orders-endpoints' },
        data: published,
      });
    const first = agentOf('orders-1', kube, clock);
    first.run();
    await clock.slept(1_000);
    expect(first.lease.fact).toEqual({ kind: 'missing', missingForMs: 0, publishedEpoch });
  }
});

test('a Lease of an earlier topology of the same name is a stranger, and is not renewed', async () => {
  const [kube, clock] = [new LeaseServer(), new ManualClock()];
  const first = agentOf('orders-1', kube, clock);
  const earlier = { ...config, topology: { ...config.topology, uid: 'uid-of-before' } };
  await first.lease.create(1, earlier, first.signal);
  const before = kube.writes.length;
  first.lease.renewWith(position);
  first.run();
  for (let turn = 0; turn < 5; turn += 1) await clock.pass(1_000);
  expect(first.lease.fact).toEqual({ kind: 'foreign' });
  expect(kube.writes).toHaveLength(before);
});
