// What our own client, reflector, election and events promise, on a real API server.
// What it does when the server misbehaves is in test/kube, where a server can be made to.

import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { applyObject, applyStatus } from '../../src/kube/apply.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { EventRecorder } from '../../src/kube/eventRecorder.ts';
import type { LiveObject } from '../../src/kube/kubeObject.ts';
import { LeaderElector } from '../../src/kube/leaderElection.ts';
import { createLease, microTime, updateLease } from '../../src/kube/lease.ts';
import { Reflector } from '../../src/kube/reflector.ts';
import { parseFrame } from '../../src/kube/reflectorState.ts';
import { pathOf, resources } from '../../src/kube/resources.ts';
import { Store } from '../../src/kube/store.ts';
import {
  createObject,
  deleteObject,
  getObject,
  jsonPatch,
  listObjects,
  listPage,
  mergePatch,
  updateObject,
} from '../../src/kube/verbs.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { compactEtcd } from '../fixtures/compactEtcd.ts';
import { ownNamespace } from '../fixtures/ownNamespace.ts';

const { namespace, connect } = ownNamespace('kube-client');
const { signal } = new AbortController();
/** Far longer than anything here takes; on a busy machine a second is not much. */
const soon = { timeout: 20_000 };
const at = (name: string) => ({ namespace, name });

const configMap = (name: string, data: Record<string, string>, labels: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { namespace, name, labels },
  data,
});

const service = (name: string, ports: object[]) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace, name },
  spec: { selector: { app: name }, ports },
});

test('an object is created, read, changed, listed in pages and deleted under preconditions', async () => {
  const client = await connect();
  const created = await createObject(client, configMap('a', { x: '1' }, { suite: 'verbs' }), signal);
  await createObject(client, configMap('b', { x: '1' }, { suite: 'verbs' }), signal);
  await createObject(client, configMap('c', { x: '1' }, { suite: 'verbs' }), signal);

  await expect(createObject(client, configMap('a', {}), signal)).rejects.toMatchObject({
    isAlreadyExists: true,
  });
  const updated = await updateObject(client, { ...created, data: { x: '2' } }, signal);
  await expect(updateObject(client, { ...created, data: { x: '3' } }, signal)).rejects.toMatchObject({
    isConflict: true,
  });
  await mergePatch(client, resources.ConfigMap, at('a'), { data: { y: '1' } }, signal);
  await jsonPatch(client, resources.ConfigMap, at('a'), [{ op: 'remove', path: '/data/x' }], signal);
  expect((await getObject(client, resources.ConfigMap, at('a'), signal))?.data).toEqual({ y: '1' });

  const selection = { namespace, labelSelector: 'suite=verbs', limit: 2 };
  const first = await listPage(client, resources.ConfigMap, selection, signal);
  const second = await listPage(
    client,
    resources.ConfigMap,
    { ...selection, continueToken: first.continueToken },
    signal,
  );
  expect(
    [first, second].map(({ items }) => items.map(({ kind, metadata }) => `${kind} ${metadata.name}`)),
  ).toEqual([['ConfigMap a', 'ConfigMap b'], ['ConfigMap c']]);

  const { resourceVersion } = updated.metadata;
  await expect(
    deleteObject(client, resources.ConfigMap, { ...at('a'), resourceVersion }, signal),
  ).rejects.toMatchObject({ isConflict: true });
  await expect(
    deleteObject(client, resources.ConfigMap, { ...at('a'), uid: 'another' }, signal),
  ).rejects.toMatchObject({ isConflict: true });
  const { uid } = created.metadata;
  expect(await deleteObject(client, resources.ConfigMap, { ...at('a'), uid }, signal)).toBe(true);
  expect(await deleteObject(client, resources.ConfigMap, at('a'), signal)).toBe(false);
  expect(await getObject(client, resources.ConfigMap, at('a'), signal)).toBeUndefined();
});

test('apply makes an object, changes what we name, removes what we no longer name, and writes nothing twice', async () => {
  const client = await connect();
  const ports = [
    { name: 'one', port: 1 },
    { name: 'two', port: 2 },
  ];

  const made = await applyObject(client, service('applied', ports), signal);
  const same = await applyObject(client, service('applied', ports), signal);
  const less = await applyObject(client, service('applied', ports.slice(1)), signal);

  expect(same.metadata.resourceVersion).toBe(made.metadata.resourceVersion);
  expect(less.spec.ports).toEqual([{ name: 'two', port: 2, protocol: 'TCP', targetPort: 2 }]);
});

test('apply of the status leaves the spec alone', async () => {
  const client = await connect();
  const before = await applyObject(client, service('with-status', [{ port: 1 }]), signal);
  const condition = {
    type: 'Seen',
    status: 'True',
    reason: 'Test',
    message: '',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };

  const after = await applyStatus(
    client,
    { apiVersion: 'v1', kind: 'Service', metadata: at('with-status'), status: { conditions: [condition] } },
    signal,
  );

  expect(after.status).toMatchObject({ conditions: [condition] });
  const live = await getObject(client, resources.Service, at('with-status'), signal);
  expect(live?.spec?.ports).toEqual(
    before.spec.ports.map((it) => ({ ...it, protocol: 'TCP', targetPort: 1 })),
  );
});

test('an object that does not fit its schema is a terminal error, whatever status the server gives it', async () => {
  const client = await connect();
  const wrong = [
    { ...service('wrong', [{ port: 1 }]), spec: { colour: 'blue' } },
    service('wrong', [{ port: 1 }, { port: 1 }]),
    service('wrong', [{ port: 'many' }]),
    service('wrong', [{ port: 100_000 }]),
  ];

  for (const object of wrong) {
    await expect(applyObject(client, object, signal)).rejects.toMatchObject({
      isTerminal: true,
      isRetryable: false,
    });
  }
});

test('a reflector tells what is there, what changes and what goes, of the selection only', async () => {
  const client = await connect();
  await createObject(client, configMap('r1', {}, { suite: 'reflector' }), signal);
  await createObject(client, configMap('other', {}), signal);
  const store = new Store<LiveObject>({ log: silentLog });
  const told: string[] = [];
  store.onChange(({ kind, object }) => told.push(`${kind} ${object.metadata.name}`));
  const reflector = new Reflector<LiveObject>(
    { client, clock: systemClock, random: Math.random, log: silentLog },
    { resource: resources.ConfigMap, namespaces: [namespace], labelSelector: 'suite=reflector' },
    store,
  );
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  await reflector.synced;

  await createObject(client, configMap('r2', {}, { suite: 'reflector' }), signal);
  await mergePatch(client, resources.ConfigMap, at('r1'), { data: { x: '1' } }, signal);
  // An object that leaves the selection is gone for whoever watches it.
  await mergePatch(
    client,
    resources.ConfigMap,
    at('r1'),
    { metadata: { labels: { suite: 'else' } } },
    signal,
  );
  await deleteObject(client, resources.ConfigMap, at('r2'), signal);

  await expect
    .poll(() => told, soon)
    .toEqual(['added r1', 'added r2', 'updated r1', 'deleted r1', 'deleted r2']);
  stop.abort();
  await running;
});

test('a watch gets bookmarks although nothing happens, and ends in order at its time', async () => {
  const client = await connect();
  const { resourceVersion } = await listPage(client, resources.Lease, { namespace, limit: 500 }, signal);
  const query = { watch: true, allowWatchBookmarks: true, timeoutSeconds: 15, resourceVersion };
  const path = pathOf(resources.Lease, { namespace });
  const types: string[] = [];

  for await (const line of client.stream({ path, query, maxSilentMs: 20_000, signal })) {
    types.push(parseFrame(line).type);
  }

  expect(types.length).toBeGreaterThan(0);
  expect(new Set(types)).toEqual(new Set(['BOOKMARK']));
});

test('a watch from a version that etcd has forgotten is expired', async () => {
  const client = await connect();
  const { resourceVersion } = await listPage(client, resources.Event, { namespace, limit: 1 }, signal);
  await compactEtcd(resourceVersion);
  // The API server keeps no events of its own, so that their watch asks etcd.
  const query = { watch: true, resourceVersion: '1', timeoutSeconds: 5 };
  const open = async () => {
    const path = pathOf(resources.Event, {});
    for await (const line of client.stream({ path, query, maxSilentMs: 20_000, signal })) parseFrame(line);
  };

  await expect(open()).rejects.toMatchObject({ isExpired: true });
});

test('a Lease keeps its times to the microsecond, and one of two writers of a version is refused', async () => {
  const client = await connect();
  const renewTime = microTime(new Date('2026-11-23T10:00:00.123Z'));
  const made = await createLease(client, at('lease'), { spec: { holderIdentity: 'a', renewTime } }, signal);
  if (made.kind !== 'written') throw new Error(made.reason);

  expect(made.lease.spec?.renewTime).toBe('2026-11-23T10:00:00.123000Z');
  expect(await createLease(client, at('lease'), { spec: {} }, signal)).toEqual({
    kind: 'refused',
    reason: 'exists',
  });
  const content = { spec: { holderIdentity: 'b' }, annotations: { 'example.com/x': '1' } };
  expect(await updateLease(client, made.lease, content, signal)).toMatchObject({
    kind: 'written',
    lease: { spec: { holderIdentity: 'b', renewTime }, metadata: { annotations: { 'example.com/x': '1' } } },
  });
  expect(await updateLease(client, made.lease, content, signal)).toEqual({
    kind: 'refused',
    reason: 'changed',
  });
});

/** A candidate with short times, whose connection can be cut. */
async function candidate(identity: string, events: string[]) {
  const client = await connect();
  let isCut = false;
  const cuttable: KubeClient = {
    ...client,
    request: (request) => (isCut ? Promise.reject(new Error('cut off')) : client.request(request)),
  };
  const elector = new LeaderElector(
    { client: cuttable, clock: systemClock, random: Math.random, log: silentLog },
    {
      lease: { namespace, name: 'election' },
      identity,
      leaseDurationMs: 6_000,
      renewDeadlineMs: 4_000,
      retryPeriodMs: 300,
      onLost: () => events.push(`${identity} lost`),
    },
  );
  const stop = new AbortController();
  const lead = (leading: AbortSignal) => {
    events.push(`${identity} leads`);
    return new Promise<void>((resolve) => {
      leading.addEventListener('abort', () => resolve(), { once: true });
    });
  };
  const running = elector.run(lead, stop.signal);
  const cut = () => {
    isCut = true;
  };
  return { stop, running, cut };
}

test('of two candidates one leads; when it is cut off it stops first, and when it is stopped the other starts at once', async () => {
  const events: string[] = [];
  const one = await candidate('one', events);
  await expect.poll(() => events, soon).toEqual(['one leads']);
  const two = await candidate('two', events);
  await wait(7_000);
  expect(events).toEqual(['one leads']);

  one.cut();
  await expect.poll(() => events, soon).toEqual(['one leads', 'one lost', 'two leads']);
  expect(await one.running).toBe('lost');

  const three = await candidate('three', events);
  await wait(500);
  const stoppedAt = performance.now();
  two.stop.abort();
  expect(await two.running).toBe('stopped');
  await expect.poll(() => events.at(-1), soon).toBe('three leads');
  expect(performance.now() - stoppedAt).toBeLessThan(5_000);
  three.stop.abort();
  await three.running;
});

test('what happens to an object appears as an event, and again and again as its series', async () => {
  const client = await connect();
  const regarding = await createObject(client, configMap('eventful', {}), signal);
  const recorder = new EventRecorder(
    { client, clock: systemClock, random: Math.random, log: silentLog },
    { reportingController: 'replica-manager.io/test', reportingInstance: 'test-0' },
  );
  const stop = new AbortController();
  const running = recorder.run(stop.signal);
  const happened = {
    regarding,
    type: 'Warning',
    reason: 'TestFailed',
    action: 'Test',
    note: 'it failed',
  } as const;
  const seen = async () => {
    const events = await listObjects(client, resources.Event, { namespace }, signal);
    return events
      .filter((it) => 'reason' in it && it.reason === 'TestFailed')
      .map((it) => ({ ...it }) as { note?: string; series?: { count?: number } })
      .map(({ note, series }) => ({ note, count: series?.count }));
  };

  recorder.record(happened);
  await expect.poll(seen, soon).toEqual([{ note: 'it failed', count: undefined }]);
  recorder.record(happened);

  await expect.poll(seen, soon).toEqual([{ note: 'it failed', count: 2 }]);
  expect(recorder.lost).toBe(0);
  stop.abort();
  await running;
});
