import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { runOperatorServer } from '../../src/operator/operatorServer.ts';
import { freePort } from '../fixtures/freePort.ts';

test('the kubelet and Prometheus are told what they ask for', async () => {
  const port = await freePort();
  const state: { unready?: string | undefined; trouble?: string } = { unready: 'the caches are empty' };
  const stop = new AbortController();
  const ended = runOperatorServer(
    {
      port,
      metrics: () => Promise.resolve('some_metric 1'),
      trouble: () => state.trouble,
      unready: () => state.unready,
    },
    stop.signal,
  );
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return `${response.status} ${(await response.text()).trim()}`;
  };

  expect(await get('/readyz')).toBe('503 the caches are empty');
  state.unready = undefined;
  expect(await get('/readyz')).toBe('200 ok');
  expect(await get('/livez?verbose')).toBe('200 ok');
  state.trouble = 'a worker hangs';
  expect(await get('/livez')).toBe('500 a worker hangs');
  expect(await get('/metrics')).toBe('200 some_metric 1');
  expect(await get('/')).toBe('404 there is /metrics, /livez and /readyz');
  stop.abort();
  await ended;
});

test('a port that is taken is an error', async () => {
  const taken = createServer().listen(0);
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const deps = {
    port,
    metrics: () => Promise.resolve(''),
    trouble: () => undefined,
    unready: () => undefined,
  };

  await expect(runOperatorServer(deps, new AbortController().signal)).rejects.toThrow('EADDRINUSE');
  taken.close();
});
