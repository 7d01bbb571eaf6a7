// One suite for every kind of topology source. What only one kind does is in that kind's own test.

import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { EndpointsDocument } from '../../../src/endpoints/endpointsDocument.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { silentLog } from '../../../src/lib/log.ts';
import { kubernetesSource } from '../../../src/router/kubernetes/kubernetesSource.ts';
import { CombinedSource } from '../../../src/router/sources/combinedSource.ts';
import { fileSource } from '../../../src/router/sources/fileSource.ts';
import { httpSource } from '../../../src/router/sources/httpSource.ts';
import { readRouterEnvironment } from '../../../src/router/sources/routerEnvironment.ts';
import { staticSource } from '../../../src/router/sources/staticSource.ts';
import type { Topology, TopologySource } from '../../../src/router/sources/topologySource.ts';
import { EndpointsApiServer } from '../../fixtures/endpointsApiServer.ts';
import { endpointsDocument } from '../../fixtures/endpointsDocument.ts';
import { EndpointsStream } from '../../fixtures/endpointsStream.ts';
import { MountedFolder } from '../../fixtures/mountedFolder.ts';
import { until } from '../../fixtures/temporaryPostgres.ts';

const login = { username: 'app', password: 'hidden', database: 'shop', ca: 'PEM' };
const secret = { username: 'app', password: 'hidden', database: 'shop', 'ca.crt': 'PEM' };
const first = endpointsDocument({ epoch: 3, generation: 7 });
const second = endpointsDocument({ epoch: 3, generation: 8, replicas: [] });

/** Waits of a second take a fiftieth of one. */
const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) };

const cleaning: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleaning.splice(0).toReversed()) await clean();
});

interface Published {
  readonly source: TopologySource;
  readonly publish: (text: string) => void;
}

interface Kind {
  readonly kind: string;
  /** Without a document until one is published. */
  readonly open: (credentialsDir: string) => Promise<Published>;
}

const following: readonly Kind[] = [
  {
    kind: 'file',
    open: async (credentialsDir) => {
      const folder = new MountedFolder();
      cleaning.push(() => folder[Symbol.dispose]());
      const source = fileSource({ path: join(folder.path, 'endpoints.json'), credentialsDir });
      return { source, publish: (text) => folder.write({ 'endpoints.json': text }) };
    },
  },
  {
    kind: 'kubernetes',
    open: async (credentialsDir) => {
      const api = await EndpointsApiServer.start();
      const account = new MountedFolder({ token: 'token', namespace: 'shop' });
      cleaning.push(
        () => account[Symbol.dispose](),
        () => api[Symbol.asyncDispose](),
      );
      const source = kubernetesSource({
        name: 'orders',
        apiServer: api.server.url,
        serviceAccountDir: account.path,
        credentialsDir,
      });
      return { source, publish: (text) => api.publish(text) };
    },
  },
  {
    kind: 'http',
    open: async (credentialsDir) => {
      const stream = await EndpointsStream.start();
      cleaning.push(() => stream[Symbol.asyncDispose]());
      return {
        source: httpSource({ url: stream.url, credentialsDir }),
        publish: (text) => stream.publish(text),
      };
    },
  },
  {
    kind: 'combined',
    open: async (credentialsDir) => {
      const folder = new MountedFolder();
      const stream = await EndpointsStream.start();
      cleaning.push(
        () => folder[Symbol.dispose](),
        () => stream[Symbol.asyncDispose](),
      );
      const file = fileSource({ path: join(folder.path, 'endpoints.json'), credentialsDir });
      const source = new CombinedSource([httpSource({ url: stream.url, credentialsDir }), file], silentLog);
      const publish = (text: string) => {
        folder.write({ 'endpoints.json': text });
        stream.publish(text);
      };
      return { source, publish };
    },
  },
];

const addresses = {
  name: 'shop',
  primary: { host: 'one', credentials: login },
  replicas: [{ host: 'two' }],
};
const guide = { DB_HOST: 'one', DB_NAME: 'shop', DB_USER: 'app', DB_PASSWORD: 'hidden' };
const fixed: readonly { readonly kind: string; readonly open: () => TopologySource | undefined }[] = [
  { kind: 'static', open: () => staticSource(addresses) },
  { kind: 'environment', open: () => readRouterEnvironment(guide).sources?.[0] },
];

/** Follows until the test is over, and keeps what was told. */
function follow(source: TopologySource, onChange: (topology: Topology) => void = () => {}) {
  const stop = new AbortController();
  const told: Topology[] = [];
  const ended = source.follow(
    (topology) => {
      told.push(topology);
      onChange(topology);
    },
    clock,
    stop.signal,
  );
  cleaning.push(async () => {
    stop.abort();
    await ended;
  });
  return { told, stop, ended };
}

const text = (document: EndpointsDocument) => JSON.stringify(document);
const isTold = (source: TopologySource, problem: string) => () => source.problems.join().includes(problem);

describe.each(following)('a source of kind $kind', ({ open }) => {
  test('tells the first document, then each newer one, with the login', async () => {
    using folder = new MountedFolder(secret);
    const { source, publish } = await open(folder.path);
    const { told } = follow(source);
    expect([source.topology, source.missing, source.confirmedAtMs]).toEqual([
      undefined,
      'document',
      undefined,
    ]);
    publish(text(first));
    await until('the first is told', () => told.length === 1);
    publish(text(second));
    await until('the second is told', () => told.length === 2);
    expect(told).toEqual([
      { document: first, credentials: login },
      { document: second, credentials: login },
    ]);
    expect([source.topology, source.missing]).toEqual([told[1], undefined]);
    await until('there is nothing to complain about', () => source.problems.length === 0);
    expect(source.confirmedAtMs).toBeLessThanOrEqual(clock.now());
  });

  test.each([
    ['older', text(endpointsDocument({ epoch: 2, generation: 9 })), 'is older than the one in use'],
    ['broken', '{"version": 1', 'expected valid JSON'],
    ['empty', '', 'found nothing'],
    ['incomplete', '{"version": 1}', 'topology: expected an object'],
    [
      'of another topology',
      text(endpointsDocument({ epoch: 9, topology: { ...first.topology, name: 'bills' } })),
      'is about another topology',
    ],
  ])(
    'refuses a document that is %s, says why, keeps the last good one and takes the next',
    async (_, bad, why) => {
      using folder = new MountedFolder(secret);
      const { source, publish } = await open(folder.path);
      const { told } = follow(source);
      publish(text(first));
      await until('the first is told', () => told.length === 1);
      // Server-sent events cannot carry nothing: an empty document is one of a blank there.
      publish(bad === '' ? ' ' : bad);
      await until('the refusal is told', isTold(source, why));
      expect([source.topology?.document, told.length]).toEqual([first, 1]);
      publish(text(second));
      await until('the next is taken', () => source.topology?.document.generation === 8);
      expect(told.map(({ document }) => document)).toEqual([first, second]);
    },
  );

  test('tells nothing before there is a login, and tells a rotated one', async () => {
    using folder = new MountedFolder({ username: 'app' });
    const { source, publish } = await open(folder.path);
    const { told } = follow(source);
    publish(text(first));
    await until('only the login is missing', () => source.missing === 'credentials');
    expect([told, source.topology]).toEqual([[], undefined]);
    folder.write(secret);
    await until('it is told', () => told.length === 1);
    folder.write({ ...secret, password: 'changed' });
    await until('the change is told', () => told.length === 2);
    expect(told.map(({ credentials }) => credentials.password)).toEqual(['hidden', 'changed']);
    expect(source.problems.join()).not.toMatch(/hidden|changed/);
  });

  test('goes on when a listener throws, and ends with its signal', async () => {
    using folder = new MountedFolder(secret);
    const { source, publish } = await open(folder.path);
    const { told, stop, ended } = follow(source, () => {
      throw new Error('the listener is broken');
    });
    publish(text(first));
    await until('the first is told', () => told.length === 1);
    publish(text(second));
    await until('the second is told', () => told.length === 2);
    stop.abort();
    await ended;
    publish(text(endpointsDocument({ epoch: 4 })));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(told).toHaveLength(2);
  });
});

describe.each(fixed)('a source of kind $kind', ({ open }) => {
  test('tells its one topology at once, keeps it when a listener throws, and ends with its signal', async () => {
    const source = open();
    if (source === undefined) throw new Error('there is a source');
    const { told, stop, ended } = follow(source, () => {
      throw new Error('the listener is broken');
    });
    expect(told).toEqual([source.topology]);
    expect(source.topology).toMatchObject({
      document: { epoch: 0, generation: 0, topology: { name: 'shop' }, primary: { host: 'one', port: 5432 } },
      credentials: { username: 'app', password: 'hidden', database: 'shop' },
    });
    expect([source.missing, source.problems]).toEqual([undefined, []]);
    stop.abort();
    await ended;
    expect(told).toHaveLength(1);
  });
});
