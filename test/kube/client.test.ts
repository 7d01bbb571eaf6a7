import { getEventListeners } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { applyContentType, type KubeClient, withTimeout } from '../../src/kube/client.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import {
  brokenWatch,
  endedWatch,
  failure,
  json,
  openWatch,
  reset,
  ScriptedApiServer,
  silence,
} from '../fixtures/scriptedApiServer.ts';
import { clientOf, forever } from './kubeFixtures.ts';

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const it of opened.splice(0).reverse()) await it.close();
});

async function startServer(options: { readonly tls?: boolean } = {}): Promise<ScriptedApiServer> {
  const server = await ScriptedApiServer.start(options);
  opened.push(server);
  return server;
}

function connect(...[server, options]: Parameters<typeof clientOf>): KubeClient {
  const client = clientOf(server, options);
  opened.push(client);
  return client;
}

async function collect(lines: AsyncIterable<unknown>): Promise<{ lines: unknown[]; error: unknown }> {
  const seen: unknown[] = [];
  try {
    for await (const line of lines) seen.push(line);
    return { lines: seen, error: undefined };
  } catch (error) {
    return { lines: seen, error };
  }
}

test('a request carries query, body, content type and user agent, and its answer is parsed', async () => {
  const server = await startServer();
  server.answer('other', json({ kind: 'Pod' }));

  const answer = await connect(server.url).request({
    method: 'PATCH',
    path: '/api/v1/namespaces/shop/pods/a',
    query: { fieldManager: 'me', force: true, dryRun: undefined },
    body: { name: 'Zoë' },
    contentType: applyContentType,
  });

  expect(answer).toEqual({ kind: 'Pod' });
  expect(server.requests[0]).toMatchObject({
    method: 'PATCH',
    path: '/api/v1/namespaces/shop/pods/a',
    query: { fieldManager: 'me', force: 'true' },
    body: { name: 'Zoë' },
    headers: {
      'content-type': 'application/apply-patch+yaml',
      accept: 'application/json',
      'user-agent': 'replica-manager/0.0.0 (test)',
    },
  });
});

test('the path of the server itself is kept, as a proxy for several clusters has one', async () => {
  const server = await startServer();
  server.answer('other', json({}));

  await connect(new URL('/clusters/one/', server.url)).request({ method: 'GET', path: '/api/v1/nodes/a' });

  expect(server.requests[0]?.path).toBe('/clusters/one/api/v1/nodes/a');
});

test('200 requests, four at a time, share at most four TLS connections', async () => {
  const server = await startServer({ tls: true });
  server.answerAlways(json({}));
  const tls = { ca: server.ca ?? '' };
  const client = connect(server.url, {
    credentials: { current: async () => ({ headers: {}, tls: { ...tls } }), forget() {} },
  });

  const requestFifty = async () => {
    for (let i = 0; i < 50; i += 1) await client.request({ method: 'GET', path: '/version' });
  };
  await Promise.all([requestFifty(), requestFifty(), requestFifty(), requestFifty()]);

  expect(server.requests.length).toBe(200);
  expect(server.connectionCount).toBeLessThanOrEqual(4);
});

test('an open watch does not take the place of requests', async () => {
  const server = await startServer();
  const client = connect(server.url);
  for (let i = 0; i < 20; i += 1) {
    server.answer('watch', openWatch('{}\n'));
    const watch = client.stream({
      path: '/w',
      query: { watch: true },
      maxSilentMs: 60_000,
      signal: forever(),
    });
    await watch.next();
    opened.push({ close: () => watch.return() });
  }
  server.answer('other', json({ fine: true }));

  expect(await client.request({ method: 'GET', path: '/version' })).toEqual({ fine: true });
});

test('a server that is not trusted is not talked to', async () => {
  const server = await startServer({ tls: true });

  await expect(connect(server.url).request({ method: 'GET', path: '/version' })).rejects.toMatchObject({
    status: 0,
    reason: 'Unreachable',
    isRetryable: true,
  });
  expect(server.requests).toEqual([]);
});

test('a request without an answer ends by its deadline', async () => {
  const server = await startServer();
  server.answer('other', silence);
  const clock = new ManualClock();

  const request = connect(server.url, { clock }).request({ method: 'GET', path: '/version', timeoutMs: 700 });
  const failed = expect(request).rejects.toMatchObject({
    status: 0,
    reason: 'Timeout',
    message: 'GET /version was not answered within 700 ms',
  });
  await server.request(1);
  clock.advance(700);

  await failed;
  expect(clock.sleeps).toEqual([]);
});

test('when a request has been answered, neither a timer nor a listener is left', async () => {
  const server = await startServer();
  server.answer('other', json({}));
  const clock = new ManualClock();
  const { signal } = new AbortController();

  await connect(server.url, { clock }).request({ method: 'GET', path: '/version', signal });

  expect({ sleeps: clock.sleeps, listeners: getEventListeners(signal, 'abort').length }).toEqual({
    sleeps: [],
    listeners: 0,
  });
});

test('an answer that stops in the middle ends by the deadline as well', async () => {
  const server = await startServer();
  server.answer('other', openWatch('{"half":'));
  const clock = new ManualClock();

  const request = connect(server.url, { clock }).request({ method: 'GET', path: '/version' });
  const failed = expect(request).rejects.toMatchObject({ reason: 'Timeout' });
  await server.request(1);
  await wait(20);
  clock.advance(10_000);

  await failed;
});

test('a client with a shorter deadline uses it for requests that name none', async () => {
  const server = await startServer();
  server.answer('other', silence);
  const clock = new ManualClock();

  const request = withTimeout(connect(server.url, { clock }), 40).request({
    method: 'GET',
    path: '/version',
  });
  const failed = expect(request).rejects.toMatchObject({ reason: 'Timeout' });
  await clock.pass(40);

  await failed;
});

test('an aborted request ends with the reason of its signal', async () => {
  const server = await startServer();
  server.answer('other', silence);
  const stop = new AbortController();

  const request = connect(server.url).request({ method: 'GET', path: '/version', signal: stop.signal });
  const failed = expect(request).rejects.toThrow('shutting down');
  await server.request(1);
  stop.abort(new Error('shutting down'));

  await failed;
});

test('a refusal is an error with status, reason and the wait that the server asks for', async () => {
  const server = await startServer();
  server.answer('other', failure(429, 'TooManyRequests', 'slow down', { 'retry-after': '7' }));

  await expect(connect(server.url).request({ method: 'GET', path: '/version' })).rejects.toMatchObject({
    status: 429,
    reason: 'TooManyRequests',
    message: 'slow down',
    retryAfterMs: 7_000,
  });
});

test('credentials that are not accepted are forgotten', async () => {
  const server = await startServer();
  server.answer('other', failure(401, 'Unauthorized'));
  let forgotten = 0;
  const credentials = {
    current: async () => ({ headers: { authorization: 'Bearer old' }, tls: {} }),
    forget: () => {
      forgotten += 1;
    },
  };

  const request = connect(server.url, { credentials }).request({ method: 'GET', path: '/version' });

  await expect(request).rejects.toMatchObject({ status: 401, isRetryable: true });
  expect(forgotten).toBe(1);
  expect(server.requests[0]?.headers.authorization).toBe('Bearer old');
});

test('an answer that is not JSON is garbage, not a crash', async () => {
  const server = await startServer();
  server.answer('other', endedWatch('<html>hello</html>'));

  await expect(connect(server.url).request({ method: 'GET', path: '/version' })).rejects.toMatchObject({
    status: 0,
    reason: 'Garbage',
    message: 'the API server sent 18 characters that are not JSON',
  });
});

/** A client whose next request goes into a kept connection that breaks as soon as it is used. */
async function withStaleConnection(): Promise<{ server: ScriptedApiServer; client: KubeClient }> {
  const server = await startServer();
  const client = connect(server.url);
  server.answer('other', json({}), reset, json({ second: true }));
  await client.request({ method: 'GET', path: '/version' });
  return { server, client };
}

test('a read that met a connection which the server had just closed is sent again', async () => {
  const { server, client } = await withStaleConnection();

  expect(await client.request({ method: 'GET', path: '/version' })).toEqual({ second: true });
  expect(server.requests.length).toBe(3);
});

test('a write that met such a connection is not, because it may have happened', async () => {
  const { server, client } = await withStaleConnection();

  await expect(client.request({ method: 'PUT', path: '/x', body: {} })).rejects.toMatchObject({ status: 0 });
  expect(server.requests.length).toBe(2);
});

test('a new connection that breaks is not tried again by the client', async () => {
  const server = await startServer();
  server.answer('other', reset);

  await expect(connect(server.url).request({ method: 'GET', path: '/version' })).rejects.toMatchObject({
    reason: 'Unreachable',
  });
  expect(server.requests.length).toBe(1);
});

test('a stream gives its lines as they arrive, however they are cut', async () => {
  const server = await startServer();
  server.answer('watch', async (response) => {
    for (const piece of ['{"a":1}\n{"b"', ':"é', '"}\n\n', '{"c":3}\n']) {
      response.write(piece);
      await wait(5);
    }
    response.end();
  });
  const stream = connect(server.url).stream({
    path: '/w',
    query: { watch: true },
    maxSilentMs: 5_000,
    signal: forever(),
  });

  expect(await collect(stream)).toEqual({ lines: [{ a: 1 }, { b: 'é' }, { c: 3 }], error: undefined });
});

test.each([
  ['a line that is not JSON', openWatch('{"a":1}\nnonsense\n'), 'Garbage'],
  ['half a line at the end', endedWatch('{"a":1}\n{"b":'), 'Garbage'],
  ['a connection that breaks', brokenWatch('{"a":1}\n'), 'Unreachable'],
])('%s ends a stream with an error, after what came before it', async (_name, answer, reason) => {
  const server = await startServer();
  server.answer('watch', answer);
  const stream = connect(server.url).stream({
    path: '/w',
    query: { watch: true },
    maxSilentMs: 5_000,
    signal: forever(),
  });

  expect(await collect(stream)).toMatchObject({ lines: [{ a: 1 }], error: { reason } });
});

test('a stream that says nothing for too long ends', async () => {
  const server = await startServer();
  server.answer('watch', openWatch('{"a":1}\n'));
  const clock = new ManualClock();
  const stream = connect(server.url, { clock }).stream({
    path: '/w',
    query: { watch: true },
    maxSilentMs: 60_000,
    signal: forever(),
  });
  expect(await stream.next()).toEqual({ done: false, value: { a: 1 } });

  const next = expect(stream.next()).rejects.toMatchObject({
    reason: 'Silent',
    message: 'the watch of /w said nothing for 60000 ms',
  });
  await clock.pass(60_000);

  await next;
});

test('while the caller is busy, silence is not held against the server', async () => {
  const server = await startServer();
  server.answer('watch', openWatch('{"a":1}\n'));
  const clock = new ManualClock();
  const stream = connect(server.url, { clock }).stream({
    path: '/w',
    query: { watch: true },
    maxSilentMs: 60_000,
    signal: forever(),
  });
  await stream.next();

  clock.advance(600_000);

  expect(clock.sleeps).toEqual([]);
  opened.push({ close: () => stream.return() });
});

test('a watch that is refused is an error with the reason of the server', async () => {
  const server = await startServer();
  server.answer('watch', failure(410, 'Expired', 'too old resource version'));
  const stream = connect(server.url).stream({
    path: '/w',
    query: { watch: true },
    maxSilentMs: 5_000,
    signal: forever(),
  });

  expect(await collect(stream)).toMatchObject({ lines: [], error: { status: 410, isExpired: true } });
});

test('an aborted stream ends with the reason of its signal and closes its connection', async () => {
  const server = await startServer();
  let isClosed = false;
  server.answer('watch', (response) => {
    response.on('close', () => {
      isClosed = true;
    });
    response.write('{"a":1}\n');
  });
  const stop = new AbortController();
  const stream = connect(server.url).stream({
    path: '/w',
    query: { watch: true },
    maxSilentMs: 5_000,
    signal: stop.signal,
  });
  await stream.next();

  stop.abort(new Error('shutting down'));

  await expect(stream.next()).rejects.toThrow('shutting down');
  await expect.poll(() => isClosed).toBe(true);
});

test('a slow consumer slows the server down instead of filling our memory', async () => {
  const server = await startServer();
  const line = `${JSON.stringify({ text: 'x'.repeat(64 * 1024) })}\n`;
  let sent = 0;
  server.answer('watch', async (response) => {
    // 64 MB in all; the server stops when the pipe between us is full.
    for (; sent < 1_000; sent += 1) {
      if (!response.write(line)) await new Promise((resolve) => response.once('drain', resolve));
    }
    response.end();
  });
  const stream = connect(server.url).stream({
    path: '/w',
    query: { watch: true },
    maxSilentMs: 5_000,
    signal: forever(),
  });

  await stream.next();
  await wait(300);
  const sentWhileBusy = sent;
  const { lines, error } = await collect(stream);

  expect(sentWhileBusy).toBeLessThan(500);
  expect({ count: lines.length, error }).toEqual({ count: 999, error: undefined });
});
