// The program as it is called, with real PostgreSQL behind it.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createReplicaManager } from '../../src/router/index.ts';
import { readRouterEnvironment } from '../../src/router/routerEnvironment.ts';
import { endpointsDocument } from '../fixtures/endpointsDocument.ts';
import { MountedFolder } from '../fixtures/mountedFolder.ts';
import { asPrimary, asReplica } from '../fixtures/routedTopology.ts';
import { startService } from '../fixtures/serviceProcess.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
let endpoints: MountedFolder;
let secret: MountedFolder;
let environment: Record<string, string>;

beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 1 });
  endpoints = new MountedFolder();
  secret = new MountedFolder({ username: postgres.user, password: postgres.password, database: 'postgres' });
  environment = {
    REPLICA_MANAGER_ENDPOINTS_FILE: join(endpoints.path, 'endpoints.json'),
    REPLICA_MANAGER_CREDENTIALS_DIR: secret.path,
    REPLICA_MANAGER_TLS: 'off',
  };
}, 60_000);

afterAll(async () => {
  endpoints[Symbol.dispose]();
  secret[Symbol.dispose]();
  await postgres[Symbol.asyncDispose]();
});

function publish(generation: number): void {
  const document = endpointsDocument({
    generation,
    topology: { namespace: 'shop', name: 'orders', systemIdentifier: null },
    timeline: null,
    primary: asPrimary(postgres.primary),
    replicas: postgres.replicas.map((server) => asReplica(server)),
  });
  endpoints.write({ 'endpoints.json': JSON.stringify(document) });
}

/** Runs to its end; for what cannot serve. */
function run(env: Record<string, string>, program = 'src/serviceMain.ts', args = ['serve']) {
  const options = {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    encoding: 'utf8',
    timeout: 15_000,
  } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], options);
  return { status, stdout, lines: stderr.trim().split('\n') };
}

test.each(['src/serviceMain.ts', 'src/main.ts'])(
  '%s follows an endpoints file, and ends its streams and itself when it is told to',
  async (program) => {
    publish(41);
    await using service = await startService(environment, [program]);
    await until('it is ready', async () => (await fetch(`${service.url}/readyz`)).ok);
    const topology = await fetch(`${service.url}/topology`).then((it) => it.json());
    expect(topology).toMatchObject({
      generation: 41,
      primary: { name: 'orders-1', port: postgres.primary.port },
      replicas: [{ name: 'orders-2' }],
      problems: [],
    });

    const stream = await fetch(`${service.url}/endpoints/stream`);
    const text = stream.text();
    publish(42);
    await until('the next document is followed', async () => {
      const { generation } = (await fetch(`${service.url}/topology`).then((it) => it.json())) as {
        generation: number;
      };
      return generation === 42;
    });
    expect(await service.stop()).toBe(0);
    expect(await text).toMatch(/^retry: 1000\n\nid: 12\.41\n.*\n.*\n\nid: 12\.42\n/);
    expect(service.lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(
      expect.arrayContaining(['serving', 'stopping', 'stopped']),
    );
    expect(service.lines.join()).not.toContain(postgres.password);
  },
);

test('an application that names the stream in its environment follows the service', async () => {
  publish(60);
  await using service = await startService(environment);
  await using manager = createReplicaManager(
    readRouterEnvironment({
      REPLICA_MANAGER_ENDPOINTS_URL: `${service.url}/endpoints/stream`,
      REPLICA_MANAGER_ENDPOINTS_FILE: '/nowhere/endpoints.json',
      REPLICA_MANAGER_CREDENTIALS_DIR: secret.path,
      REPLICA_MANAGER_TLS: 'off',
    }),
  );
  const { rows } = await manager.getReadReplica().exec("SELECT current_setting('cluster_name') AS server");
  expect(rows).toEqual([{ server: 'orders-2' }]);
  publish(61);
  await until('the next document is followed', () => manager.status().generation === 61);
  expect(manager.status().sources).toContainEqual(
    expect.objectContaining({ origin: expect.stringContaining('/endpoints/stream'), isInUse: true }),
  );
});

test('a wrong environment is told with every mistake at once', () => {
  const wrong = { REPLICA_MANAGER_PORT: '70000', LOG_LEVEL: 'loud', REPLICA_MANAGER_TLS: 'maybe' };
  expect(run(wrong)).toEqual({
    status: 2,
    stdout: '',
    lines: [
      'REPLICA_MANAGER_PORT must be a port number from 0 to 65535, not "70000"',
      'LOG_LEVEL must be one of debug, info, warn, error, not "loud"',
      'REPLICA_MANAGER_TLS must be verify-full or off, not "maybe"',
    ],
  });
});

test('a port that is taken is named', async () => {
  publish(50);
  await using service = await startService(environment);
  const { port } = new URL(service.url);
  expect(run({ ...environment, PORT: port })).toMatchObject({
    status: 1,
    lines: [`port ${port} is taken by another program, set REPLICA_MANAGER_PORT to a free one`],
  });
});

test('without a command the program says what there is', () => {
  expect(run({}, 'src/serviceMain.ts', [])).toMatchObject({
    status: 2,
    lines: expect.arrayContaining(['usage: replica-manager serve']),
  });
});
