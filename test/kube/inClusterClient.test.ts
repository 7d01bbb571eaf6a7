import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, expect, test } from 'vitest';
import { inClusterClient } from '../../src/kube/inClusterClient.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import { failure, json, ScriptedApiServer } from '../fixtures/scriptedApiServer.ts';

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A pod with a mounted service account, and the API server that it would talk to. */
async function inPod() {
  const api = await ScriptedApiServer.start({ tls: true });
  api.answerAlways(json({}));
  const dir = await mkdtemp(join(tmpdir(), 'service-account-'));
  await writeFile(join(dir, 'token'), 'first\n');
  await writeFile(join(dir, 'ca.crt'), api.ca ?? '');
  const clock = new ManualClock();
  const client = inClusterClient({
    host: api.url.hostname,
    port: api.url.port,
    serviceAccountDir: dir,
    clock,
    version: '1.2.3',
    component: 'agent',
  });
  endings.push(async () => {
    client.close();
    await api.close();
    await rm(dir, { recursive: true });
  });
  const ask = () => client.request({ method: 'GET', path: '/version' });
  const tokens = () => api.requests.map(({ headers }) => headers.authorization);
  return { api, dir, clock, client, ask, tokens };
}

test('it authenticates with the token, trusts the mounted authority and says who it is', async () => {
  const { api, ask, tokens } = await inPod();

  await ask();

  expect(tokens()).toEqual(['Bearer first']);
  expect(api.requests[0]?.headers['user-agent']).toBe('replica-manager/1.2.3 (agent)');
});

test('a new token is used within a minute', async () => {
  const { dir, clock, ask, tokens } = await inPod();
  await ask();

  await writeFile(join(dir, 'next'), 'second\n');
  await rename(join(dir, 'next'), join(dir, 'token'));
  clock.advance(59_000);
  await ask();
  clock.advance(1_000);
  await ask();

  expect(tokens()).toEqual(['Bearer first', 'Bearer first', 'Bearer second']);
});

test('a token that is refused is read again for the next request', async () => {
  const { api, dir, ask, tokens } = await inPod();
  await ask();
  api.answerAlways(failure(401, 'Unauthorized'));
  await writeFile(join(dir, 'token'), 'second');

  await expect(ask()).rejects.toMatchObject({ status: 401 });
  api.answerAlways(json({}));
  await ask();

  expect(tokens()).toEqual(['Bearer first', 'Bearer first', 'Bearer second']);
});

test('while the token cannot be read, the last one is used on', async () => {
  const { dir, clock, ask, tokens } = await inPod();
  await ask();

  await rm(join(dir, 'token'));
  clock.advance(60_000);
  await ask();

  expect(tokens()).toEqual(['Bearer first', 'Bearer first']);
});

test('without any token the error says what is missing', async () => {
  const { dir, ask } = await inPod();
  await rm(join(dir, 'token'));

  await expect(ask()).rejects.toThrow(/^credentials for the API server cannot be read: ENOENT.*token/);
});

test('a new authority is trusted within a minute', async () => {
  const { api, dir, clock, ask } = await inPod();
  await writeFile(join(dir, 'ca.crt'), '');
  await expect(ask()).rejects.toMatchObject({ reason: 'Unreachable' });

  await writeFile(join(dir, 'ca.crt'), api.ca ?? '');
  clock.advance(60_000);

  await ask();
});

test('an IPv6 address of the API server is understood', async () => {
  const { dir } = await inPod();
  const client = inClusterClient({
    host: '::1',
    port: '1',
    serviceAccountDir: dir,
    clock: new ManualClock(),
    version: '1.2.3',
    component: 'agent',
  });

  await expect(client.request({ method: 'GET', path: '/version' })).rejects.toThrow(
    /ECONNREFUSED|EADDRNOTAVAIL|ENETUNREACH/,
  );
});

test('its bundle holds no library at all', async () => {
  const { metafile } = await build({
    stdin: {
      contents: `
        export * from './src/kube/inClusterClient.ts';
        export * from './src/kube/lease.ts';
        export * from './src/kube/reflector.ts';`,
      resolveDir: '.',
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
    metafile: true,
  });

  expect(Object.keys(metafile.inputs).filter((path) => path.includes('node_modules'))).toEqual([]);
});
