import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import type { EndpointsDocument } from '../../src/endpoints/endpointsDocument.ts';
import { parseEndpoints } from '../../src/endpoints/index.ts';
import { createServiceHandler } from '../../src/service/createServiceHandler.ts';
import { heartbeatEveryMs, lookEveryMs } from '../../src/service/endpointsStream.ts';
import { endpointsDocument } from '../fixtures/endpointsDocument.ts';
import { serveHttp } from '../fixtures/httpService.ts';
import { emptyStatus, managerStatus } from '../fixtures/managerStatus.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import { until } from '../fixtures/temporaryPostgres.ts';

async function start(first: EndpointsDocument | null, maxStreamClients?: number) {
  const clock = new ManualClock();
  let document = first;
  const manager = {
    status: () => (document === null ? emptyStatus() : managerStatus({ document })),
    hasReadReplicas: () => true,
  };
  const handler = createServiceHandler(manager, { clock, maxStreamClients });
  const http = await serveHttp(handler);
  const url = `${http.url}/endpoints/stream`;
  return {
    ...http,
    clock,
    handler,
    url,
    publish: (next: EndpointsDocument) => {
      document = next;
    },
    clientCount: async () => {
      const text = await fetch(`${http.url}/metrics`).then((it) => it.text());
      return Number(/^replica_manager_stream_clients (\d+)$/m.exec(text)?.[1]);
    },
    [Symbol.asyncDispose]: async () => {
      handler.close();
      await http[Symbol.asyncDispose]();
    },
  };
}

/** What a client has read so far, one string per event or comment. */
async function follow(url: string, headers: Record<string, string> = {}) {
  const leave = new AbortController();
  const response = await fetch(url, { headers, signal: leave.signal });
  const blocks: string[] = [];
  const read = async () => {
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      const complete = text.split('\n\n');
      text = complete.pop() ?? '';
      blocks.push(...complete);
    }
  };
  const ended = read().then(
    () => 'ended',
    () => 'left',
  );
  const has = (count: number) => until(`${count} blocks are here`, () => blocks.length >= count, 5_000);
  return { response, blocks, ended, has, leave: () => leave.abort() };
}

const generation = (number: number) => endpointsDocument({ generation: number });
const eventOf = (document: EndpointsDocument) =>
  `id: ${document.epoch}.${document.generation}\nevent: endpoints\ndata: ${JSON.stringify(document)}`;

test('a client gets the document in use, each change of it, and the end', async () => {
  await using service = await start(generation(41));
  const client = await follow(service.url);
  expect(client.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  await client.has(2);
  await service.clock.pass(lookEveryMs);
  service.publish(generation(42));
  await service.clock.pass(lookEveryMs);
  await client.has(3);
  service.handler.close();
  expect(await client.ended).toBe('ended');
  expect(client.blocks).toEqual(['retry: 1000', eventOf(generation(41)), eventOf(generation(42))]);
  const [data = ''] = /(?<=^data: ).*$/m.exec(client.blocks[2] ?? '') ?? [];
  expect(parseEndpoints(data)).toEqual(generation(42));
});

test('a primary that was found by asking is not told under the number of the document that was published', async () => {
  const published = generation(41);
  const document = { ...published, primary: null };
  const status = managerStatus({ document, published });
  const handler = createServiceHandler(
    { status: () => status, hasReadReplicas: () => true },
    { clock: new ManualClock() },
  );
  await using http = await serveHttp(handler);
  const client = await follow(`${http.url}/endpoints/stream`);
  await client.has(2);
  handler.close();
  await client.ended;
  expect(client.blocks).toEqual(['retry: 1000', eventOf(published)]);
});

test('a client that says what it saw last gets it not again, but anything else', async () => {
  await using service = await start(generation(41));
  const same = await follow(service.url, { 'last-event-id': '12.41' });
  const behind = await follow(service.url, { 'last-event-id': '12.40' });
  const odd = await follow(service.url, { 'last-event-id': 'what' });
  await Promise.all([behind.has(2), odd.has(2), same.has(1)]);
  service.handler.close();
  await Promise.all([same.ended, behind.ended, odd.ended]);
  expect([same.blocks, behind.blocks.length, odd.blocks.length]).toEqual([['retry: 1000'], 2, 2]);
});

test('a quiet stream has a heartbeat every five seconds', async () => {
  await using service = await start(null);
  const client = await follow(service.url);
  await client.has(1);
  for (let elapsed = 0; elapsed < 2 * heartbeatEveryMs; elapsed += lookEveryMs) {
    await service.clock.pass(lookEveryMs);
  }
  await client.has(3);
  await service.clock.slept(lookEveryMs);
  service.publish(generation(1));
  await service.clock.pass(lookEveryMs);
  await client.has(4);
  expect(client.blocks).toEqual(['retry: 1000', ': heartbeat', ': heartbeat', eventOf(generation(1))]);
});

test('one client more than may follow is refused, until one leaves', async () => {
  await using service = await start(generation(41), 2);
  const clients = [await follow(service.url), await follow(service.url)];
  const refused = await fetch(service.url);
  expect([refused.status, refused.headers.get('retry-after'), await refused.json()]).toEqual([
    503,
    '5',
    expect.objectContaining({ detail: '2 clients follow already, which is the limit' }),
  ]);
  clients[0]?.leave();
  await until('one has left', async () => (await service.clientCount()) === 1);
  const next = await follow(service.url);
  await next.has(2);
});

test('a client that has gone before the handler ran takes no place', async () => {
  const manager = { status: () => managerStatus(), hasReadReplicas: () => true };
  const handler = createServiceHandler(manager, { clock: new ManualClock(), maxStreamClients: 2 });
  let arrived = 0;
  let handled = 0;
  await using http = await serveHttp((request, response) => {
    arrived += 1;
    response.once('close', () => {
      handler(request, response);
      handled += 1;
    });
  });
  for (let count = 1; count <= 2; count += 1) {
    const leave = new AbortController();
    const asked = fetch(`${http.url}/endpoints/stream`, { signal: leave.signal }).catch(() => 'left');
    await until('the request is there', () => arrived === count);
    leave.abort();
    expect(await asked).toBe('left');
    await until('it was handled late', () => handled === count);
  }
  await using next = await serveHttp(handler);
  const client = await follow(`${next.url}/endpoints/stream`);
  handler.close();
  await client.ended;
  expect(client.response.status).toBe(200);
});

test('a request that middleware has read to its end is followed all the same', async () => {
  await using service = await start(generation(41));
  await using behind = await serveHttp((request, response) => {
    request.resume().once('close', () => service.handler(request, response));
  });
  const client = await follow(`${behind.url}/endpoints/stream`);
  await client.has(2);
  service.handler.close();
  expect([await client.ended, client.blocks.length]).toEqual(['ended', 2]);
});

test('a client that reads nothing is dropped', async () => {
  await using service = await start(generation(1));
  const { port } = new URL(service.url);
  const socket = connect(Number(port), '127.0.0.1');
  await once(socket, 'connect');
  socket.pause();
  socket.write('GET /endpoints/stream HTTP/1.1\r\nhost: x\r\n\r\n');
  await until('it follows', async () => (await service.clientCount()) === 1);
  const replicas = Array.from({ length: 5_000 }, () => endpointsDocument().replicas[0] ?? fail());
  for (let next = 2; (await service.clientCount()) === 1; next += 1) {
    expect(next).toBeLessThan(100);
    service.publish(endpointsDocument({ generation: next, replicas }));
    await service.clock.pass(lookEveryMs);
  }
  socket.destroy();
});

const fail = (): never => {
  throw new Error('the document has replicas');
};

test('HEAD opens no stream, and a closed service none either', async () => {
  await using service = await start(generation(41));
  const head = await fetch(service.url, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
    200,
    'text/event-stream; charset=utf-8',
    '',
  ]);
  expect(await service.clientCount()).toBe(0);
  service.handler.close();
  expect((await fetch(service.url)).status).toBe(503);
});
