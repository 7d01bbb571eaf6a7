import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import { expect, test } from 'vitest';
import { RouterError } from '../../src/router/index.ts';
import type { ReplicaManagerStatus } from '../../src/router/routerStatus.ts';
import { createServiceHandler, type ServiceHandlerOptions } from '../../src/service/createServiceHandler.ts';
import { type HttpService, serveHttp } from '../fixtures/httpService.ts';
import {
  emptyStatus,
  managerStatus,
  primaryStatus,
  replicaStatus,
  sourceStatus,
} from '../fixtures/managerStatus.ts';

const manager = (status: ReplicaManagerStatus = managerStatus()) => ({
  status: () => status,
  hasReadReplicas: () => true,
});
const serve = (status?: ReplicaManagerStatus, options?: ServiceHandlerOptions) =>
  serveHttp(createServiceHandler(manager(status), options));

const paths = [
  '/database/replica/health',
  '/database/replica/stats',
  '/database/replica/lag',
  '/database/replica/pool-stats',
  '/database/info',
  '/topology',
  '/metrics',
  '/livez',
  '/readyz',
  '/openapi.json',
];

test.each(paths)('GET and HEAD %s answer alike, and nothing may be kept', async (path) => {
  await using service = await serve();
  const [got, head] = await Promise.all(
    ['GET', 'HEAD'].map((method) => fetch(service.url + path, { method })),
  );
  const body = await got?.text();
  expect([got?.status, head?.status, await head?.text()]).toEqual([200, 200, '']);
  expect(Object.fromEntries(head?.headers ?? [])).toMatchObject({
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-type': got?.headers.get('content-type'),
    'content-length': String(Buffer.byteLength(body ?? '')),
  });
});

test('what does not exist, and what nobody may do, is a problem in JSON', async () => {
  await using service = await serve();
  const missing = await fetch(`${service.url}/database/replica/health/`);
  expect([missing.status, missing.headers.get('content-type'), await missing.json()]).toEqual([
    404,
    'application/problem+json; charset=utf-8',
    { type: 'about:blank', title: 'Not Found', status: 404, detail: 'the paths are listed in /openapi.json' },
  ]);
  const refused = await fetch(`${service.url}/topology?x=1`, { method: 'POST', body: '{}' });
  expect([refused.status, refused.headers.get('allow'), await refused.json()]).toEqual([
    405,
    'GET, HEAD',
    expect.objectContaining({ status: 405, detail: 'POST is not possible here, only GET and HEAD are' }),
  ]);
});

test('health answers 503 when a replica is not healthy, with the same JSON', async () => {
  await using service = await serve(
    managerStatus({ replicas: [replicaStatus({ verdict: { kind: 'resting', reason: 'gone' } })] }),
  );
  const response = await fetch(`${service.url}/database/replica/health`);
  expect([response.status, await response.json()]).toEqual([
    503,
    {
      healthy: false,
      replicas: [{ name: 'read_replica', healthy: false }],
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    },
  ]);
});

test('before a topology is known the service lives, but is not ready', async () => {
  await using service = await serve(emptyStatus());
  const statuses = await Promise.all(
    paths.map(async (path) => [path, (await fetch(service.url + path)).status]),
  );
  expect(Object.fromEntries(statuses)).toMatchObject({
    '/livez': 200,
    '/readyz': 503,
    '/database/replica/health': 503,
    '/database/replica/lag': 503,
    '/database/replica/stats': 200,
    '/topology': 200,
    '/metrics': 200,
  });
});

test('a stopping service is not ready', async () => {
  await using service = await serve(undefined, { isReady: () => false });
  expect((await fetch(`${service.url}/readyz`)).status).toBe(503);
});

test.each([
  [undefined, 'application/json'],
  ['*/*', 'application/json'],
  ['application/json', 'application/json'],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'application/json'],
  ['text/plain', 'text/plain; version=0.0.4'],
  ['image/png', 'application/json'],
  // As Prometheus 2 and 3 ask.
  [
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    'application/openmetrics-text; version=1.0.0',
  ],
  [
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1',
    'application/openmetrics-text; version=1.0.0',
  ],
  ['text/plain;version=0.0.4;q=0.5,*/*;q=0.1', 'text/plain; version=0.0.4'],
])('the statistics for %s are %s', async (accept, type) => {
  await using service = await serve();
  const response = await fetch(`${service.url}/database/replica/stats`, {
    headers: accept === undefined ? {} : { accept },
  });
  await response.text();
  expect([response.headers.get('content-type'), response.headers.get('vary')]).toEqual([
    `${type}; charset=utf-8`,
    'accept',
  ]);
});

test('the topology tells the verdict on each replica, why, and where all this is known from', async () => {
  const failed = { kind: 'failed', reason: 'connect ECONNREFUSED 10.0.0.3:5432', ageMs: 80 } as const;
  const replicas = [
    replicaStatus({ name: 'a' }),
    replicaStatus({ name: 'b', observed: failed, verdict: { kind: 'resting', reason: failed.reason } }),
  ];
  await using service = await serve(managerStatus({ replicas, primary: primaryStatus() }));
  const response = await fetch(`${service.url}/topology`);
  expect(await response.json()).toMatchObject({
    epoch: 12,
    sources: [{ origin: 'environment', isInUse: true, ageMs: 250, problems: [] }],
    counters: { reads: 7, learned: null },
    primary: { name: 'orders-1', role: 'primary', observed: { kind: 'answered', role: 'primary' } },
    replicas: [
      {
        name: 'a',
        status: 'healthy',
        isServing: true,
        reason: null,
        lag: { seconds: 2, bytes: 4096, reason: null },
      },
      { name: 'b', status: 'unhealthy', isServing: false, reason: failed.reason, observed: failed },
    ],
  });
});

test('a password in a reason or an origin does not reach any answer', async () => {
  const secret = 'hunter2';
  const reason = `bad string postgresql://app:${secret}@db/orders, or password=${secret} host=db`;
  const status = managerStatus({
    problems: [reason],
    primaryReason: reason,
    sources: [sourceStatus({ origin: reason, problems: [reason] })],
    primary: primaryStatus({ observed: { kind: 'failed', reason, ageMs: 0 } }),
    replicas: [replicaStatus({ verdict: { kind: 'resting', reason } })],
  });
  await using service = await serve(status);
  const answers = await Promise.all(paths.map((path) => fetch(service.url + path).then((it) => it.text())));
  expect(answers.join()).toContain('postgresql://app:***@db/orders');
  expect(answers.join()).not.toContain(secret);
});

test('a wrong configuration of the router is told, any other failure is not', async () => {
  const failing = (error: Error) => ({
    status: () => {
      throw error;
    },
    hasReadReplicas: () => false,
  });
  await using wrong = await serveHttp(
    createServiceHandler(failing(new RouterError('RPG_CONFIG_INVALID', 'DB_PORT must be a port'))),
  );
  await using broken = await serveHttp(createServiceHandler(failing(new Error('internal detail'))));
  const detailOf = async ({ url }: HttpService) => {
    const response = await fetch(`${url}/topology`);
    return [response.status, ((await response.json()) as { detail: string }).detail];
  };
  expect(await detailOf(wrong)).toEqual([500, 'RPG_CONFIG_INVALID: DB_PORT must be a port']);
  expect(await detailOf(broken)).toEqual([500, 'the status could not be read']);
  const statusOf = async (path: string) => (await fetch(broken.url + path)).status;
  expect(await Promise.all(['/livez', '/openapi.json', '/readyz'].map(statusOf))).toEqual([200, 200, 500]);
});

test('it mounts in Express, and leaves other paths to the application', async () => {
  const app = express();
  app.use('/internal', createServiceHandler(manager()));
  app.use(createServiceHandler(manager()));
  app.get('/hello', (_request, response) => void response.send('from the application'));
  await using service = await serveHttp(app);
  const texts = ['/database/replica/stats', '/internal/database/replica/stats', '/hello'].map((path) =>
    fetch(service.url + path).then((it) => it.text()),
  );
  expect(await Promise.all(texts)).toEqual([
    expect.stringContaining('"replicaCount": 1'),
    expect.stringContaining('"replicaCount": 1'),
    'from the application',
  ]);
});

test.each(['/internal', '/internal/'])('below %s are the paths, and beside it none', async (basePath) => {
  await using service = await serve(undefined, { basePath });
  const statusOf = async (path: string) => (await fetch(service.url + path)).status;
  const asked = ['/internal/livez', '/internal/livez?x', '/internal', '/internallivez', '/livez'];
  expect(await Promise.all(asked.map(statusOf))).toEqual([200, 200, 404, 404, 404]);
});

test('it mounts in Fastify, also below a prefix', async () => {
  const app = fastify();
  const handler = createServiceHandler(manager());
  const below = createServiceHandler(manager(), { basePath: '/internal' });
  app.all('/database/*', (request, reply) => {
    reply.hijack();
    handler(request.raw, reply.raw);
  });
  app.all('/internal/*', (request, reply) => {
    reply.hijack();
    below(request.raw, reply.raw);
  });
  app.get('/hello', () => 'from the application');
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const textOf = (path: string) => fetch(`http://127.0.0.1:${port}${path}`).then((it) => it.text());
  try {
    expect(
      await Promise.all(
        ['/database/info', '/internal/database/info', '/internal/nothing', '/hello'].map(textOf),
      ),
    ).toEqual([
      expect.stringContaining('"primaryConnected": true'),
      expect.stringContaining('"primaryConnected": true'),
      expect.stringContaining('"status": 404'),
      'from the application',
    ]);
  } finally {
    await app.close();
  }
});
