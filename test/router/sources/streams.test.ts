// What may happen to a connection that a document comes over, for the watch of the API server and the stream of a service.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { readApiServer } from '../../../src/router/kubernetes/kubernetesEnvironment.ts';
import {
  type KubernetesSourceOptions,
  kubernetesSource,
} from '../../../src/router/kubernetes/kubernetesSource.ts';
import { httpSource } from '../../../src/router/sources/httpSource.ts';
import type { TopologySource } from '../../../src/router/sources/topologySource.ts';
import { createServiceHandler } from '../../../src/service/createServiceHandler.ts';
import { EndpointsApiServer } from '../../fixtures/endpointsApiServer.ts';
import { endpointsDocument } from '../../fixtures/endpointsDocument.ts';
import { EndpointsStream } from '../../fixtures/endpointsStream.ts';
import { serveHttp } from '../../fixtures/httpService.ts';
import { managerStatus } from '../../fixtures/managerStatus.ts';
import { MountedFolder } from '../../fixtures/mountedFolder.ts';
import { failure, frame, reset, ScriptedApiServer, silence } from '../../fixtures/scriptedApiServer.ts';
import { until } from '../../fixtures/temporaryPostgres.ts';

const credentials = { username: 'app', password: 'hidden', database: 'shop', ca: 'PEM' };
const generation = (number: number) => JSON.stringify(endpointsDocument({ generation: number }));

/** Waits of a second take a fiftieth of one. */
const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) };

const cleaning: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleaning.splice(0).toReversed()) await clean();
});

function follow(source: TopologySource): TopologySource {
  const stop = new AbortController();
  const ended = source.follow(() => {}, clock, stop.signal);
  cleaning.push(async () => {
    stop.abort();
    await ended;
  });
  return source;
}

const has = (source: TopologySource, number: number) => () => source.topology?.document.generation === number;
const tells = (source: TopologySource, problem: string) => () => source.problems.join().includes(problem);

async function watched(options: Partial<KubernetesSourceOptions> = {}, tls = false) {
  const api = await EndpointsApiServer.start({ tls });
  const account = new MountedFolder({
    token: 'first token\n',
    namespace: 'shop',
    'ca.crt': api.server.ca ?? '',
  });
  cleaning.push(
    () => account[Symbol.dispose](),
    () => api[Symbol.asyncDispose](),
  );
  const own = { name: 'orders', apiServer: api.server.url, serviceAccountDir: account.path, credentials };
  const source = follow(kubernetesSource({ ...own, ...options }));
  return { api, account, source };
}

async function streamed(maxSilentMs?: number) {
  const stream = await EndpointsStream.start();
  cleaning.push(() => stream[Symbol.asyncDispose]());
  return { stream, source: follow(httpSource({ url: stream.url, credentials, maxSilentMs })) };
}

test('the API server is asked for the one ConfigMap alone, over TLS, with the token of the service account', async () => {
  const { api, source } = await watched({}, true);
  api.publish(generation(1));
  await until('it is there', has(source, 1));
  await until('it is watched', () => api.watchCount === 1);
  const watch = await api.server.request(1, { kind: 'watch' });
  const read = api.server.requests.findLast(({ query }) => query['watch'] === undefined);
  expect(read?.path).toBe('/api/v1/namespaces/shop/configmaps/orders-endpoints');
  expect(read?.headers.authorization).toBe('Bearer first token');
  expect([watch.path, { ...watch.query, timeoutSeconds: '' }]).toEqual([
    '/api/v1/namespaces/shop/configmaps',
    {
      watch: 'true',
      fieldSelector: 'metadata.name=orders-endpoints',
      resourceVersion: '101',
      allowWatchBookmarks: 'true',
      timeoutSeconds: '',
    },
  ]);
});

test('a watch that is reset goes on where it was, with the token of that time', async () => {
  const { api, account, source } = await watched();
  api.publish(generation(1));
  await until('it is watched', () => api.watchCount === 1);
  account.write({ token: 'second token', namespace: 'shop' });
  api.server.resetConnections();
  api.publish(generation(2));
  await until('what was missed is there', has(source, 2));
  await until('it is watched again', () => api.watchCount === 1 && source.problems.length === 0);
  expect(api.server.requests.at(-1)?.headers.authorization).toBe('Bearer second token');
});

test('a version that has expired leads to another read, and is no problem to tell', async () => {
  const { api, source } = await watched();
  api.publish(generation(1));
  await until('it is watched', () => api.watchCount === 1);
  const reads = api.server.requests.length;
  api.publishUnseen(generation(2));
  api.send(frame('ERROR', { code: 410, reason: 'Expired', message: 'too old resource version' }));
  await until('what was missed is there', has(source, 2));
  expect(source.problems).toEqual([]);
  expect(api.server.requests.length).toBeGreaterThan(reads);
});

test('a watch that says nothing any more is given up, and one that only says bookmarks is not', async () => {
  const { api, source } = await watched({ maxSilentMs: 300 });
  api.publish(generation(1));
  await until('it is watched', () => api.watchCount === 1);
  const before = api.server.requests.length;
  for (let count = 0; count < 5; count += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    api.send(frame('BOOKMARK', { metadata: { resourceVersion: '102' } }));
  }
  expect(api.server.requests).toHaveLength(before);
  api.publishUnseen(generation(2));
  await until('what was missed is there', has(source, 2));
});

test('a watch that loses changes without a word is ended after a few minutes, and the ConfigMap is read again', async () => {
  const { api, source } = await watched({ random: () => 0 });
  api.publish(generation(1));
  await until('it is watched', () => api.watchCount === 1);
  api.publishUnseen(generation(2));
  // 310 s of the clock that this test runs by.
  await until('it is read again', has(source, 2), 15_000);
});

test('a server that ends every watch at once is not asked in a tight loop', async () => {
  const { api } = await watched();
  api.publish(generation(1));
  await until('it is watched', () => api.watchCount === 1);
  const before = api.server.requests.length;
  const startedAtMs = performance.now();
  while (performance.now() - startedAtMs < 500) {
    api.endWatches();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  // At full speed it would be hundreds. In this time the waits grow to 5 s of this clock, 100 ms.
  expect(api.server.requests.length - before).toBeLessThan(60);
});

test('a ConfigMap that is deleted and made anew is followed, and the last good document stays meanwhile', async () => {
  const { api, source } = await watched();
  api.publish(generation(1));
  await until('it is watched', () => api.watchCount === 1);
  api.remove();
  await until('the loss is told', tells(source, 'the ConfigMap has been deleted'));
  expect(has(source, 1)()).toBe(true);
  api.publish(generation(2));
  await until('the new one is there', has(source, 2));
});

test.each([
  [401, 'the API server does not accept the token of the service account'],
  [403, 'the service account may not get and watch the ConfigMap shop/orders-endpoints, grant both'],
  [404, 'there is no ConfigMap shop/orders-endpoints'],
  [500, 'the server answered 500'],
])('an answer of %i is told as what it means: %s', async (status, problem) => {
  const server = await ScriptedApiServer.start();
  const account = new MountedFolder({ token: 'token', namespace: 'shop' });
  cleaning.push(
    () => account[Symbol.dispose](),
    () => server.close(),
  );
  server.answerAlways(failure(status, 'Reason'));
  const own = { name: 'orders', apiServer: server.url, serviceAccountDir: account.path, credentials };
  const source = follow(kubernetesSource(own));
  await until('it is told', tells(source, problem));
  expect(source.problems.join()).not.toContain('token:');
});

test.each([
  ['resets', reset, /ECONNRESET|socket hang up/],
  ['says nothing', silence, /has not answered yet/],
])('an API server that %s keeps nobody from ending', async (_, answer, problem) => {
  const server = await ScriptedApiServer.start();
  const account = new MountedFolder({ token: 'token', namespace: 'shop' });
  cleaning.push(
    () => account[Symbol.dispose](),
    () => server.close(),
  );
  server.answerAlways(answer);
  const own = { name: 'orders', apiServer: server.url, serviceAccountDir: account.path, credentials };
  const source = follow(kubernetesSource(own));
  await server.request(1);
  await until('it is told', () => problem.test(source.problems.join()));
});

test('outside a pod the API server must be named', () => {
  expect(() => readApiServer({})).toThrow('this process runs in no pod, set apiServer or use another source');
  const found = readApiServer({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' });
  expect(found.href).toBe('https://[fd00::1]/');
});

test('a stream that is reset is opened again, and what was missed is there', async () => {
  const { stream, source } = await streamed();
  stream.publish(generation(1));
  await until('it is there', has(source, 1));
  stream.status = 503;
  stream.reset();
  await until('the loss is told', tells(source, 'cannot be followed: the server answered 503'));
  expect(has(source, 1)()).toBe(true);
  stream.publish(generation(2));
  stream.status = 200;
  await until('what was missed is there', has(source, 2));
  expect(source.problems).toEqual([]);
});

test('a stream without heartbeats is given up, and heartbeats alone keep it and its age', async () => {
  const { stream, source } = await streamed(300);
  stream.publish(generation(1));
  await until('it is there', has(source, 1));
  const before = { connections: stream.connectionCount, confirmedAtMs: source.confirmedAtMs ?? 0 };
  for (let count = 0; count < 5; count += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    stream.heartbeat();
  }
  await until(
    'the age is that of the heartbeat',
    () => (source.confirmedAtMs ?? 0) > before.confirmedAtMs + 400,
  );
  expect(stream.connectionCount).toBe(before.connections);
  await until('it is opened again', () => stream.connectionCount > before.connections);
});

test('the service itself is understood: its documents, its heartbeats, and its end', async () => {
  let document = endpointsDocument({ generation: 1 });
  const manager = { status: () => managerStatus({ document }), hasReadReplicas: () => true };
  const handler = createServiceHandler(manager, { clock });
  const http = await serveHttp(handler);
  cleaning.push(
    () => http[Symbol.asyncDispose](),
    () => handler.close(),
  );
  const source = follow(httpSource({ url: `${http.url}/endpoints/stream`, credentials }));
  await until('it is there', has(source, 1));
  const confirmedAtMs = source.confirmedAtMs ?? 0;
  await until('a heartbeat confirms it', () => (source.confirmedAtMs ?? 0) > confirmedAtMs);
  document = endpointsDocument({ generation: 2 });
  await until('the next is there', has(source, 2));
  handler.close();
  await until('the end is told', tells(source, 'cannot be followed'));
  expect(has(source, 2)()).toBe(true);
});

test('a service that answers something else is told with its answer, and found again when it is mended', async () => {
  const stream = await EndpointsStream.start();
  cleaning.push(() => stream[Symbol.asyncDispose]());
  stream.status = 404;
  stream.publish(generation(1));
  const url = new URL(`http://user:SECRET@${stream.url.host}${stream.url.pathname}?key=SECRET`);
  const source = follow(httpSource({ url, credentials }));
  await until('it is told', tells(source, 'cannot be followed: the server answered 404: not here'));
  expect(source.origin + source.problems.join()).not.toContain('SECRET');
  stream.status = 200;
  await until('it is there', has(source, 1));
});

test('a token that cannot be read is told, and read again', async () => {
  const { api, account, source } = await watched({ serviceAccountDir: '/nowhere' });
  api.publish(generation(1));
  await until('it is told', tells(source, "open '/nowhere/token'"));
  expect(source.topology).toBeUndefined();
  const other = new MountedFolder();
  cleaning.push(() => other[Symbol.dispose]());
  const late = follow(
    kubernetesSource({
      name: 'orders',
      namespace: 'shop',
      apiServer: api.server.url,
      serviceAccountDir: other.path,
      credentials,
    }),
  );
  await until('it is told', tells(late, 'token'));
  writeFileSync(join(other.path, 'token'), 'token');
  await until('it is there', has(late, 1));
  expect(account.path).not.toBe(other.path);
});
