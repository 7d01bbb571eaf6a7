// The whole operator, from watch to write, against an API server in memory. No instance ever answers here.

import { randomBytes } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { annotations, apiVersion, kind, labels } from '../../src/api/names.ts';
import type { ReplicatedPostgresStatus } from '../../src/api/replicatedPostgresStatus.ts';
import { createKubeClient } from '../../src/kube/client.ts';
import type { KubeObject } from '../../src/kube/kubeObject.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { runOperator } from '../../src/operator/operator.ts';
import { accountAnnotation } from '../../src/operator/restampDeployment.ts';
import { freePort } from '../fixtures/freePort.ts';
import { MemoryApiServer } from '../fixtures/memoryApiServer.ts';

/** On a busy machine; nothing here takes a second otherwise. */
const soon = { timeout: 15_000 };

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function startApi(): Promise<MemoryApiServer> {
  const api = await MemoryApiServer.start();
  endings.push(() => api.close());
  return api;
}

/** Runs an operator until the test ends, or until it is stopped. */
function startOperator(api: MemoryApiServer, identity = 'operator-a', port = 0) {
  const stop = new AbortController();
  const client = createKubeClient({
    server: api.url,
    credentials: { current: () => Promise.resolve({ headers: {}, tls: {} }), forget: () => {} },
    clock: systemClock,
    userAgent: 'test',
  });
  const options = {
    namespace: 'system',
    electionLease: 'operator',
    podName: identity,
    identity,
    watchNamespaces: undefined,
    images: { operator: 'operator:1', pooler: 'pooler:1' },
    port,
  };
  const world = { client, clock: systemClock, random: Math.random, randomBytes, log: silentLog };
  const ended = runOperator(options, world, stop.signal);
  const end = async () => {
    stop.abort(new Error('the test is over'));
    const how = await ended;
    client.close();
    return how;
  };
  endings.push(async () => {
    await end();
  });
  return { end };
}

const topology = (name: string, spec: object = {}) => ({
  apiVersion: 'replica-manager.io/v1',
  kind: 'ReplicatedPostgres',
  metadata: { name, namespace: 'shop', generation: 1 },
  spec: { instances: 3, storage: { size: '1Gi' }, ...spec },
});

interface WithStatus {
  readonly status?: ReplicatedPostgresStatus;
}

interface PoolerDeployment {
  readonly spec: {
    readonly template: { readonly metadata: { readonly annotations?: Record<string, string> } };
  };
}

const names = (api: MemoryApiServer, plural: string) =>
  api
    .list(plural)
    .map((it) => it.metadata.name)
    .sort();
const phase = (api: MemoryApiServer, name: string) =>
  api.find<{ status?: { phase?: string } }>('replicatedpostgreses', name)?.status?.phase;
const conditions = (api: MemoryApiServer): Record<string, string> =>
  Object.fromEntries(
    (api.find<WithStatus>('replicatedpostgreses', 'orders')?.status?.conditions ?? []).map((it) => [
      it.type,
      `${it.status} ${it.reason} ${it.message}`,
    ]),
  );
const events = (api: MemoryApiServer) =>
  api.list('events').map((it) => `${String(it['reason'])}: ${String(it['note'])}`);

/** Waits until nothing has been written for a while, and forgets what was written. */
async function quiet(api: MemoryApiServer): Promise<void> {
  await expect.poll(() => api.writes.splice(0), { ...soon, interval: 400 }).toEqual([]);
}

async function runningTopology(spec: object = {}) {
  const api = await startApi();
  api.put('replicatedpostgreses', topology('orders', spec));
  startOperator(api);
  await expect.poll(() => phase(api, 'orders'), soon).toBe('Provisioning');
  await quiet(api);
  return api;
}

test('everything that a topology needs is made, and then nothing more is written', async () => {
  const api = await runningTopology();

  expect(names(api, 'statefulsets')).toEqual(['orders-1', 'orders-2', 'orders-3']);
  expect(names(api, 'deployments')).toEqual(['orders-pooler-ro', 'orders-pooler-rw']);
  expect(names(api, 'configmaps')).toEqual(['orders-config', 'orders-endpoints']);
  expect(names(api, 'secrets')).toHaveLength(7);
  expect(api.list('services')).toHaveLength(5);
});

test('what is deleted or edited by hand is back at once, with the passwords that were', async () => {
  const api = await runningTopology();
  const before = api.find<{ data: Record<string, string> }>('secrets', 'orders-superuser');
  api.remove('services', 'orders-primary');
  api.remove('statefulsets', 'orders-2');
  api.remove('secrets', 'orders-pooler-tls');
  api.put('configmaps', {
    ...api.find('configmaps', 'orders-endpoints'),
    data: { 'endpoints.json': 'nonsense' },
  });

  await expect.poll(() => names(api, 'services'), soon).toContain('orders-primary');
  await expect.poll(() => names(api, 'statefulsets'), soon).toContain('orders-2');
  await expect.poll(() => names(api, 'secrets'), soon).toContain('orders-pooler-tls');
  await expect
    .poll(
      () =>
        api.find<{ data: Record<string, string> }>('configmaps', 'orders-endpoints')?.data['endpoints.json'],
      soon,
    )
    .toContain('"generation": 2');
  expect(api.find<{ data: object }>('secrets', 'orders-superuser')?.data).toEqual(before?.data);
});

test('pods whose account was deleted are replaced, because their tokens are worth nothing', async () => {
  const api = await runningTopology();
  const stamp = () =>
    api.find<PoolerDeployment>('deployments', 'orders-pooler-ro')?.spec.template.metadata.annotations?.[
      accountAnnotation
    ];
  expect(stamp()).toBeUndefined();
  api.remove('serviceaccounts', 'orders-pooler');
  api.creationTimestamp = '2026-11-23T11:00:00Z';

  await expect.poll(stamp, soon).toMatch(/^uid-/);
  expect(stamp()).toBe(api.find('serviceaccounts', 'orders-pooler')?.metadata.uid);
});

test('an instance that is scaled away goes, its volume stays and that is said', async () => {
  const api = await runningTopology();
  const marks = { [labels.topology]: 'orders', [labels.instance]: 'orders-3' };
  api.put('persistentvolumeclaims', {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data-orders-3-0', namespace: 'shop', labels: marks },
    spec: { resources: { requests: { storage: '1Gi' } } },
  });
  api.put('replicatedpostgreses', {
    ...api.find('replicatedpostgreses', 'orders'),
    spec: topology('orders', { instances: 2 }).spec,
  });

  await expect.poll(() => names(api, 'statefulsets'), soon).toEqual(['orders-1', 'orders-2']);
  await expect
    .poll(() => events(api), soon)
    .toEqual([
      'Scaled: orders-3 is removed',
      'VolumesRetained: the volume data-orders-3-0 is kept, delete its claim to free it',
    ]);
  expect(names(api, 'persistentvolumeclaims')).toEqual(['data-orders-3-0']);
});

test('an invalid topology is said to be invalid, and does not keep others from being run', async () => {
  const api = await startApi();
  api.put('replicatedpostgreses', topology('broken', { instances: 0, postgres: 'nonsense' }));
  api.put('replicatedpostgreses', topology('orders'));
  startOperator(api);

  await expect.poll(() => phase(api, 'broken'), soon).toBe('Invalid');
  await expect.poll(() => phase(api, 'orders'), soon).toBe('Provisioning');
  expect(names(api, 'statefulsets')).toEqual(['orders-1', 'orders-2', 'orders-3']);
  expect(events(api)).toEqual([expect.stringContaining('Invalid: spec.')]);
});

test('an object that the API server refuses for good does not keep the others from being made', async () => {
  const api = await startApi();
  api.refuse('services', 'orders-primary', 'spec.ports: nothing of the kind');
  api.put('replicatedpostgreses', topology('orders'));
  startOperator(api);

  await expect.poll(() => phase(api, 'orders'), soon).toBe('Provisioning');
  expect(names(api, 'statefulsets')).toHaveLength(3);
  await expect
    .poll(() => events(api), soon)
    .toContain('ApplyRefused: Service orders-primary was refused: spec.ports: nothing of the kind');
});

test('a second operator waits, writes nothing, and takes over when the first one stops', async () => {
  const api = await startApi();
  const first = startOperator(api, 'operator-a');
  api.put('replicatedpostgreses', topology('orders'));
  await expect.poll(() => phase(api, 'orders'), soon).toBe('Provisioning');
  startOperator(api, 'operator-b');
  await quiet(api);
  expect(await first.end()).toBe('stopped');
  api.remove('services', 'orders-primary');

  await expect.poll(() => names(api, 'services'), soon).toContain('orders-primary');
  expect(new Set(api.writes)).toEqual(new Set(['PATCH services/orders-primary']));
});

test('a Secret that has lost its label gets it back, with what is in it', async () => {
  const api = await runningTopology();
  const before = api.find<{ data: object }>('secrets', 'orders-app');
  api.remove('secrets', 'orders-app');
  api.put('secrets', {
    ...before,
    metadata: { ...before?.metadata, labels: {} },
    data: { ...before?.data, password: 'bGl2ZQ==' },
  });

  await expect
    .poll(() => api.find('secrets', 'orders-app')?.metadata.labels, soon)
    .toEqual(before?.metadata.labels);
  await quiet(api);
  expect(api.find<{ data: object }>('secrets', 'orders-app')?.data).toMatchObject({ password: 'bGl2ZQ==' });
});

test('objects of others that bear our names are left alone, and that is said', async () => {
  const api = await startApi();
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'orders-app', namespace: 'shop' },
    data: { mine: 'eA==' },
  };
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'orders-primary', namespace: 'shop' },
    spec: { ports: [{ port: 80 }] },
  };
  api.put('secrets', secret);
  api.put('services', service);
  api.put('replicatedpostgreses', topology('orders'));
  startOperator(api);

  await expect.poll(() => phase(api, 'orders'), soon).toBe('Provisioning');
  expect(api.find('secrets', 'orders-app')).toMatchObject({ data: { mine: 'eA==' } });
  expect(api.find('secrets', 'orders-app')?.metadata.ownerReferences).toBeUndefined();
  expect(api.find('services', 'orders-primary')).toMatchObject(service);
  const why = 'was refused: one that is not of this topology is in its place, delete it';
  await expect
    .poll(() => events(api), soon)
    .toEqual(
      expect.arrayContaining([
        `ApplyRefused: Secret orders-app ${why}`,
        `ApplyRefused: Service orders-primary ${why}`,
      ]),
    );
});

test('a topology that is deleted and made again at once waits for the end of the old one, and takes nothing from it', async () => {
  const api = await runningTopology();
  const old = api.find('replicatedpostgreses', 'orders')?.metadata.uid ?? '';
  const passwordBefore = api.find<{ data: { password: string } }>('secrets', 'orders-app')?.data.password;
  api.put('leases', {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name: 'orders-primary',
      namespace: 'shop',
      labels: { [labels.topology]: 'orders' },
      annotations: { [annotations.systemIdentifier]: '7421' },
      ownerReferences: [{ apiVersion, kind, name: 'orders', uid: old }],
    },
    spec: { holderIdentity: 'orders-3', leaseTransitions: 4 },
  });
  await expect
    .poll(() => api.find<WithStatus>('replicatedpostgreses', 'orders')?.status?.systemIdentifier, soon)
    .toBe('7421');
  await quiet(api);

  api.remove('replicatedpostgreses', 'orders');
  api.put('replicatedpostgreses', topology('orders'));
  const uid = api.find('replicatedpostgreses', 'orders')?.metadata.uid;
  await expect.poll(() => phase(api, 'orders'), soon).toBe('Provisioning');
  await expect.poll(() => api.writes.splice(0), { ...soon, interval: 400 }).toEqual([]);
  expect(api.find('secrets', 'orders-app')?.metadata.ownerReferences).toMatchObject([{ uid: old }]);

  api.removeOwnedBy(old);
  await expect.poll(() => names(api, 'statefulsets'), soon).toEqual(['orders-1', 'orders-2', 'orders-3']);
  await quiet(api);
  const { status } = api.find<WithStatus>('replicatedpostgreses', 'orders') ?? {};
  expect(status).toMatchObject({ routing: { generation: 1 } });
  expect(status).not.toHaveProperty('systemIdentifier');
  expect(status).not.toHaveProperty('primary');
  const app = api.find<{ data: { password: string } }>('secrets', 'orders-app');
  expect(app?.metadata.ownerReferences).toMatchObject([{ uid }]);
  expect(app?.data.password).not.toBe(passwordBefore);
});

test('endpoints that are refused are said to be, are not tried without end, and are published once they may be', async () => {
  const api = await startApi();
  api.refuse('configmaps', 'orders-endpoints', 'field is immutable when `immutable` is set');
  api.put('replicatedpostgreses', topology('orders'));
  startOperator(api);
  const message = 'ConfigMap orders-endpoints was refused: field is immutable when `immutable` is set';
  await expect
    .poll(() => conditions(api), soon)
    .toMatchObject({
      Ready: `False ObjectsRefused ${message}`,
      RoutingPublished: `False Refused ${message}`,
    });
  await quiet(api);
  expect(api.find<WithStatus>('replicatedpostgreses', 'orders')?.status).not.toHaveProperty('routing');

  api.accept('configmaps', 'orders-endpoints');
  api.remove('services', 'orders-primary');
  await expect
    .poll(() => conditions(api), soon)
    .toMatchObject({
      Ready: expect.stringContaining('False InstancesNotReady'),
      RoutingPublished: 'True Published endpoints document 1 is published',
    });
});

test('who was scaled away is told although something else is refused in the same cycle', async () => {
  const api = await runningTopology();
  api.refuse('services', 'orders-primary', 'exceeded quota', 403);
  api.put('replicatedpostgreses', {
    ...api.find('replicatedpostgreses', 'orders'),
    spec: topology('orders', { instances: 2, serviceMetadata: { labels: { team: 'shop' } } }).spec,
  });

  await expect.poll(() => events(api), soon).toContain('Scaled: orders-3 is removed');
  await expect
    .poll(() => conditions(api)['Ready'], soon)
    .toBe('False ObjectsRefused Service orders-primary was refused: exceeded quota');
});

test('an object that cannot be written for the moment does not keep the others from being written', async () => {
  const api = await startApi();
  api.refuse('services', 'orders-primary', 'failed calling webhook', 500);
  api.put('replicatedpostgreses', topology('orders'));
  startOperator(api);

  await expect.poll(() => phase(api, 'orders'), soon).toBe('Provisioning');
  expect(names(api, 'statefulsets')).toHaveLength(3);
  expect(names(api, 'services')).not.toContain('orders-primary');
  api.accept('services', 'orders-primary');
  await expect.poll(() => names(api, 'services'), soon).toContain('orders-primary');
});

test('nobody is removed while the configuration that says so cannot be written', async () => {
  const api = await runningTopology();
  api.refuse('configmaps', 'orders-config', 'failed calling webhook', 500);
  api.put('replicatedpostgreses', {
    ...api.find('replicatedpostgreses', 'orders'),
    spec: topology('orders', { instances: 2 }).spec,
  });
  await expect.poll(() => api.writes.filter((it) => it.endsWith('-config')).length, soon).toBeGreaterThan(1);
  expect(names(api, 'statefulsets')).toEqual(['orders-1', 'orders-2', 'orders-3']);
  expect(events(api)).toEqual([]);

  api.accept('configmaps', 'orders-config');
  await expect.poll(() => events(api), soon).toEqual(['Scaled: orders-3 is removed']);
  await expect.poll(() => names(api, 'statefulsets'), soon).toEqual(['orders-1', 'orders-2']);
});

test('an instance that has become primary while it was about to go is not removed, and that is said', async () => {
  const api = await runningTopology();
  // Without its label no watch shows it, as if the watch were late.
  api.put('leases', {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'orders-primary', namespace: 'shop' },
    spec: { holderIdentity: 'orders-3', leaseTransitions: 1 },
  });
  api.put('replicatedpostgreses', {
    ...api.find('replicatedpostgreses', 'orders'),
    spec: topology('orders', { instances: 2 }).spec,
  });
  await expect
    .poll(() => events(api), soon)
    .toContain('ScaleDownHeld: orders-3 is not removed, because it has become the primary');
  expect(names(api, 'statefulsets')).toEqual(['orders-1', 'orders-2', 'orders-3']);

  api.remove('leases', 'orders-primary');
  await expect.poll(() => names(api, 'statefulsets'), soon).toEqual(['orders-1', 'orders-2']);
});

test('with onDelete Delete the volume of an instance goes once the instance has gone, an earlier topology’s stays', async () => {
  const storage = { size: '1Gi', onDelete: 'Delete' };
  const api = await runningTopology({ storage });
  const putClaim = (ordinal: number, uid: string | undefined, creationTimestamp: string) =>
    api.put('persistentvolumeclaims', {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        name: `data-orders-${ordinal}-0`,
        namespace: 'shop',
        creationTimestamp,
        labels: { [labels.topology]: 'orders', ...(uid === undefined ? {} : { [labels.topologyUid]: uid }) },
        ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'backup', uid: 'uid-of-others' }],
      },
      spec: { resources: { requests: { storage: '1Gi' } } },
    });
  const template = api.find<{ spec: { volumeClaimTemplates: readonly KubeObject[] } }>(
    'statefulsets',
    'orders-3',
  );
  const uid = api.find('replicatedpostgreses', 'orders')?.metadata.uid;
  expect(template?.spec.volumeClaimTemplates[0]?.metadata.labels).toMatchObject({
    [labels.topologyUid]: uid,
  });
  putClaim(1, undefined, '2026-11-23T10:00:01Z');
  putClaim(2, undefined, '2026-11-22T10:00:00Z');
  putClaim(3, uid, '2026-11-23T10:00:01Z');
  const claimOf = (ordinal: number) =>
    api.find('persistentvolumeclaims', `data-orders-${ordinal}-0`)?.metadata;
  await expect
    .poll(() => claimOf(1)?.ownerReferences?.map((it) => it.uid), soon)
    .toEqual(['uid-of-others', uid]);
  await expect
    .poll(() => claimOf(3)?.ownerReferences?.map((it) => it.uid), soon)
    .toEqual(['uid-of-others', uid]);
  api.put('replicatedpostgreses', {
    ...api.find('replicatedpostgreses', 'orders'),
    spec: topology('orders', { instances: 1, storage }).spec,
  });

  await expect.poll(() => names(api, 'statefulsets'), soon).toEqual(['orders-1']);
  await expect
    .poll(() => names(api, 'persistentvolumeclaims'), soon)
    .toEqual(['data-orders-1-0', 'data-orders-2-0']);
  expect(claimOf(2)).toMatchObject({
    labels: { [labels.topology]: 'orders' },
    ownerReferences: [{ uid: 'uid-of-others' }],
  });
});

test('Secrets that are deleted come back with the passwords and the authority that are in use', async () => {
  const api = await runningTopology();
  const kept = ['orders-superuser', 'orders-pooler', 'orders-app', 'orders-ca'];
  const dataOf = () => kept.map((it) => api.find<{ data: object }>('secrets', it)?.data);
  const before = dataOf();
  for (const name of kept) api.remove('secrets', name);

  await expect.poll(() => names(api, 'secrets').filter((it) => kept.includes(it)), soon).toHaveLength(4);
  await quiet(api);
  expect(dataOf()).toEqual(before);
});

test('a size that a volume may not grow to is asked for once', async () => {
  const api = await startApi();
  api.put('replicatedpostgreses', topology('orders', { storage: { size: '2Gi' } }));
  startOperator(api);
  await expect.poll(() => phase(api, 'orders'), soon).toBe('Provisioning');
  const uid = api.find('replicatedpostgreses', 'orders')?.metadata.uid;
  api.refuse('persistentvolumeclaims', 'data-orders-1-0', 'its class cannot grow', 403);
  api.put('persistentvolumeclaims', {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: 'data-orders-1-0',
      namespace: 'shop',
      labels: { [labels.topology]: 'orders', [labels.topologyUid]: uid },
    },
    spec: { resources: { requests: { storage: '1Gi' } } },
    status: { phase: 'Bound' },
  });
  const tries = () => api.writes.filter((it) => it.includes('persistentvolumeclaims')).length;
  await expect.poll(tries, soon).toBe(1);
  api.remove('services', 'orders-primary');
  await expect.poll(() => names(api, 'services'), soon).toContain('orders-primary');
  expect(tries()).toBe(1);
});

test('an operator is ready once it knows what there is, and says so whether or not it leads', async () => {
  const api = await startApi();
  const port = await freePort();
  const readiness = async () =>
    (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.status;
  startOperator(api, 'operator-a');
  startOperator(api, 'operator-b', port);

  await expect.poll(readiness, soon).toBe(200);
  expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
});
