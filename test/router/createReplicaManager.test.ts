// The router against a real primary with two replicas, over TLS, from mounts that change as the kubelet
// changes them. The only thing hurried is the look at the mounts: every 20 ms instead of every second.

import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { EndpointsDocument, ReplicaEndpoint } from '../../src/endpoints/endpointsDocument.ts';
import { backgroundClock, systemClock } from '../../src/lib/clock.ts';
import {
  createReplicaManager,
  type ReplicaManager,
  type ReplicaManagerOptions,
  RouterError,
} from '../../src/router/index.ts';
import { endpointsDocument, primaryEndpoint, replicaEndpoint } from '../fixtures/endpointsDocument.ts';
import { MountedFolder } from '../fixtures/mountedFolder.ts';
import { makeCertificates, type TemporaryCertificates } from '../fixtures/temporaryCertificates.ts';
import {
  startTemporaryPostgres,
  type TemporaryPostgres,
  type TemporaryServer,
  until,
} from '../fixtures/temporaryPostgres.ts';

const password = 'as in the Secret';
const serverSql = `SELECT current_setting('cluster_name') AS server`;

let postgres: TemporaryPostgres;
let certificates: TemporaryCertificates;
let endpoints: MountedFolder;
let secret: MountedFolder;
let generation = 0;
const managers: ReplicaManager[] = [];

beforeAll(async () => {
  certificates = await makeCertificates();
  postgres = await startTemporaryPostgres({ replicas: 2, certificates });
  await postgres.primary.query(`CREATE ROLE app LOGIN PASSWORD '${password}'`);
  await postgres.primary.query('CREATE TABLE orders (id int PRIMARY KEY)');
  await postgres.primary.query('GRANT ALL ON orders TO app');
  await postgres.caughtUp();
}, 60_000);

afterAll(() => postgres[Symbol.asyncDispose]());

beforeEach(() => {
  endpoints = new MountedFolder();
  secret = new MountedFolder(files());
});

afterEach(async () => {
  await Promise.all(managers.splice(0).map((manager) => manager.end()));
  endpoints[Symbol.dispose]();
  secret[Symbol.dispose]();
  for (const server of [postgres.primary, ...postgres.replicas]) if (!server.isRunning) await server.start();
});

function files(differences: Record<string, string> = {}): Record<string, string> {
  return { username: 'app', password, database: 'postgres', 'ca.crt': certificates.ca, ...differences };
}

function replicas(): [TemporaryServer, TemporaryServer] {
  const [second, third] = postgres.replicas;
  if (second === undefined || third === undefined) throw new Error('there are two replicas');
  return [second, third];
}

const asReplica = ({ name, host, port }: TemporaryServer, more: Partial<ReplicaEndpoint> = {}) =>
  replicaEndpoint({ name, host, port, ...more });
const asPrimary = ({ name, host, port }: TemporaryServer) => primaryEndpoint({ name, host, port });

/** Publishes the running topology as the next generation; say only what differs. */
function publish(differences: Partial<EndpointsDocument> = {}): number {
  generation += 1;
  const document = endpointsDocument({
    generation,
    primary: asPrimary(postgres.primary),
    replicas: postgres.replicas.map((server) => asReplica(server)),
    ...differences,
  });
  endpoints.write({ 'endpoints.json': JSON.stringify(document) });
  return document.generation;
}

function start(options: ReplicaManagerOptions = {}): ReplicaManager {
  const manager = createReplicaManager(
    { endpointsFile: join(endpoints.path, 'endpoints.json'), credentialsDir: secret.path, ...options },
    {
      clock: systemClock,
      backgroundClock: { ...backgroundClock, sleep: (_, signal) => backgroundClock.sleep(20, signal) },
      random: () => 0,
    },
  );
  managers.push(manager);
  return manager;
}

async function serverOf(manager: ReplicaManager, type = 'SELECT'): Promise<string> {
  const { rows } = await manager.routeQuery<{ server: string }>(type, serverSql);
  return rows[0]?.server ?? 'nobody';
}

/** The code of the router, or the SQLSTATE, with which a statement was refused. */
function codeOf(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => 'answered',
    (error: { code: string }) => error.code,
  );
}

const follows = (manager: ReplicaManager, wanted: number) =>
  until(`generation ${wanted} is followed`, () => manager.status().generation === wanted);

/** Reads from many sides until it is stopped; what went wrong is in `errors`. */
function readWithoutPause(manager: ReplicaManager, sql = serverSql) {
  const servers = new Map<string, number>();
  const errors: unknown[] = [];
  let isStopped = false;
  const reader = async () => {
    while (!isStopped) {
      try {
        const { rows } = await manager.routeQuery<{ server: string }>('SELECT', sql);
        const server = rows[0]?.server ?? 'nobody';
        servers.set(server, (servers.get(server) ?? 0) + 1);
      } catch (error) {
        errors.push(error);
      }
    }
  };
  const readers = Array.from({ length: 8 }, reader);
  return {
    errors,
    servers,
    stop: async () => {
      isStopped = true;
      await Promise.all(readers);
    },
  };
}

test('reads take the replicas in turn, everything else goes to the primary', async () => {
  publish();
  const manager = start();
  const reads: string[] = [];
  for (let count = 0; count < 6; count += 1) reads.push(await serverOf(manager));
  expect(reads).toEqual(['orders-2', 'orders-3', 'orders-2', 'orders-3', 'orders-2', 'orders-3']);

  expect(await serverOf(manager, ' select ')).toBe('orders-2');
  for (const type of ['INSERT', 'update', 'WITH', '']) expect(await serverOf(manager, type)).toBe('orders-1');

  const onReplica = await manager.getReadReplica().exec(serverSql, []);
  const onPrimary = await manager.getWriteDatabase().exec(serverSql);
  expect([onReplica.rows, onPrimary.rows]).toEqual([[{ server: 'orders-3' }], [{ server: 'orders-1' }]]);
});

test('a write returns what the driver returns, and the replicas show it', async () => {
  publish();
  const manager = start();
  const written = await manager.routeQuery(
    'INSERT',
    'INSERT INTO orders (id) VALUES ($1), ($2) RETURNING id',
    [1, 2],
  );
  expect(written).toMatchObject({ command: 'INSERT', rowCount: 2, rows: [{ id: 1 }, { id: 2 }] });
  await postgres.caughtUp();
  const read = await manager.routeQuery('SELECT', 'SELECT id FROM orders WHERE id = ANY ($1) ORDER BY id', [
    [1, 2],
  ]);
  expect(read.rows).toEqual([{ id: 1 }, { id: 2 }]);
});

test('an error of the server passes unchanged and keeps the connection', async () => {
  publish();
  const manager = start({ poolSize: 1 });
  const pid = async () =>
    (await manager.getWriteDatabase().exec('SELECT pg_backend_pid() AS pid')).rows[0]?.['pid'];
  const before = await pid();
  expect(await codeOf(manager.routeQuery('INSERT', 'INSERT INTO orders VALUES (7), (7)'))).toBe('23505');
  expect(await codeOf(manager.routeQuery('SELECT', 'SELECT nonsense'))).toBe('42703');
  expect(await codeOf(manager.routeQuery('SELECT', 'INSERT INTO orders VALUES (8)'))).toBe('25006');
  expect(await pid()).toBe(before);
});

test('replicas that die take no read with them: the next one answers, then the primary, then they are back', async () => {
  publish();
  const manager = start();
  const [second, third] = replicas();
  const load = readWithoutPause(manager);
  await until('both replicas answer', () => load.servers.size === 2);

  await second.stop('immediate');
  await until('orders-2 rests', () => manager.status().replicas[0]?.verdict.kind === 'resting');
  expect(await serverOf(manager)).toBe('orders-3');
  expect(manager.hasReadReplicas()).toBe(true);

  await third.stop('immediate');
  await until('the primary answers', () => load.servers.has('orders-1'));
  expect(manager.hasReadReplicas()).toBe(false);

  await Promise.all([second.start(), third.start()]);
  load.servers.clear();
  await until(
    'both replicas answer again',
    () => load.servers.has('orders-2') && load.servers.has('orders-3'),
  );
  await load.stop();
  expect(load.errors).toEqual([]);
});

test('where the primary may not answer reads, they fail by name when no replica does', async () => {
  publish({ routing: { maxLagSeconds: 10, resumeLagSeconds: 5, fallbackToPrimary: false } });
  const manager = start();
  const [second, third] = replicas();
  await Promise.all([second.stop(), third.stop()]);
  const error = await manager.routeQuery('SELECT', serverSql).catch((it: unknown) => it);
  expect(error).toMatchObject({ code: 'RPG_NO_REPLICA', isRetryable: true, cause: { code: 'ECONNREFUSED' } });
  expect(String(error)).toMatch(
    /orders-2 connect ECONNREFUSED .*orders-3 connect ECONNREFUSED .*may not serve reads/,
  );
  expect(await serverOf(manager, 'INSERT')).toBe('orders-1');
});

test('a replica that the document calls not routable takes no reads, and says why in the status', async () => {
  const [second, third] = replicas();
  publish({ replicas: [asReplica(second, { routable: false, reason: 'lags by 12 s' }), asReplica(third)] });
  const manager = start();
  for (let count = 0; count < 3; count += 1) expect(await serverOf(manager)).toBe('orders-3');
  expect(manager.status()).toEqual({
    topology: endpointsDocument().topology,
    epoch: 12,
    generation,
    primary: { ...pick(postgres.primary), connections: { total: 0, idle: 0, waiting: 0 } },
    replicas: [
      {
        ...pick(second),
        connections: { total: 0, idle: 0, waiting: 0 },
        verdict: { kind: 'excluded', reason: 'lags by 12 s' },
      },
      { ...pick(third), connections: { total: 1, idle: 1, waiting: 0 }, verdict: { kind: 'serving' } },
    ],
    problems: [],
  });

  await follows(manager, publish({ replicas: [asReplica(second, { routable: false })] }));
  expect([manager.hasReadReplicas(), await serverOf(manager)]).toEqual([false, 'orders-1']);
});

const pick = ({ name, host, port }: TemporaryServer) => ({ name, host, port });

test('documents change a hundred times under load and no query fails; removed replicas are left by all', async () => {
  const [second, third] = replicas();
  publish();
  const manager = start({ applicationName: 'under load' });
  const load = readWithoutPause(manager, `${serverSql}, pg_sleep(0.005)`);
  const shapes = [[second], [third], [], [second, third]];
  for (let count = 0; count < 100; count += 1) {
    const servers = shapes[count % shapes.length] ?? [];
    await follows(manager, publish({ replicas: servers.map((server) => asReplica(server)) }));
  }
  await follows(manager, publish({ replicas: [asReplica(second)] }));
  const sessions = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'under load'`;
  const left = async () => (await third.query(sessions)).rows[0].count === 0;
  await until('orders-3 is left alone', left);
  await load.stop();
  expect(load.errors).toEqual([]);
  expect([...load.servers.keys()].toSorted()).toEqual(['orders-1', 'orders-2', 'orders-3']);
});

test('a statement under way on a removed replica gets its answer', async () => {
  const [second, third] = replicas();
  publish({ replicas: [asReplica(second)] });
  const manager = start({ poolSize: 1 });
  const slow = manager.routeQuery('SELECT', `${serverSql}, pg_sleep(0.5)`);
  const queued = manager.routeQuery('SELECT', serverSql);
  await until('one waits for the other', () => manager.status().replicas[0]?.connections.waiting === 1);
  await follows(manager, publish({ replicas: [asReplica(third)] }));
  expect(await serverOf(manager)).toBe('orders-3');
  expect([(await slow).rows[0]?.['server'], (await queued).rows[0]?.['server']]).toEqual([
    'orders-2',
    'orders-2',
  ]);
});

test('an older, a broken and a missing document change nothing', async () => {
  publish({ epoch: 13 });
  const manager = start();
  await serverOf(manager);
  const before = manager.status();

  publish({ epoch: 12, primary: null, replicas: [] });
  await until('the older one is refused', () => manager.status().problems.join().includes('is older'));
  endpoints.write({ 'endpoints.json': '{' });
  await until('the broken one is refused', () => manager.status().problems.join().includes('valid JSON'));
  endpoints.write({});
  await until('the missing one is noticed', () =>
    manager.status().problems.join().includes('does not exist'),
  );

  expect([await serverOf(manager), await serverOf(manager, 'INSERT')]).toEqual(['orders-3', 'orders-1']);
  expect(manager.status()).toMatchObject({ epoch: before.epoch, generation: before.generation });
});

test('credentials are rotated under load and no query fails', async () => {
  await postgres.primary.query(`CREATE ROLE app_2 LOGIN PASSWORD 'the next one'`);
  await postgres.caughtUp();
  publish();
  const manager = start();
  const load = readWithoutPause(manager, `SELECT current_user AS server, pg_sleep(0.002)`);
  await until('the first user reads', () => load.servers.has('app'));
  secret.write(files({ username: 'app_2', password: 'the next one' }));
  await until('the second user reads', () => load.servers.has('app_2'));
  await postgres.primary.query('ALTER ROLE app NOLOGIN');
  load.servers.clear();
  await until('only the second user reads', () => load.servers.get('app_2') !== undefined);
  await load.stop();
  await postgres.primary.query('ALTER ROLE app LOGIN');
  await postgres.caughtUp();
  expect([load.errors, [...load.servers.keys()]]).toEqual([[], ['app_2']]);
});

test('a server whose certificate leads to another authority, or has another name, is not talked to', async () => {
  publish();
  secret.write(files({ 'ca.crt': (await makeCertificates()).ca }));
  const stranger = start();
  const error = await stranger.routeQuery('INSERT', serverSql).catch((it: unknown) => it);
  expect(error).toMatchObject({ code: 'RPG_PRIMARY_UNREACHABLE', isRetryable: true });
  expect(String(error)).toMatch(/certificate/);

  secret.write(files());
  // Another spelling of 127.0.0.1: the same server, under a name that its certificate does not have.
  publish({ primary: { ...asPrimary(postgres.primary), host: '127.1' } });
  const misnamed = await start()
    .routeQuery('INSERT', serverSql)
    .catch((it: unknown) => it);
  expect(misnamed).toMatchObject({ code: 'RPG_PRIMARY_UNREACHABLE' });
  expect(String(misnamed)).toMatch(/does not match certificate/);
});

test('a write on a primary that is down did not run; on one that dies under it the outcome is unknown', async () => {
  const [, third] = replicas();
  // A server of the test's own dies, a replica that the document calls primary, so that the others live on.
  publish({ primary: asPrimary(third), replicas: [] });
  const manager = start();
  const lost = manager.routeQuery('INSERT', 'SELECT pg_sleep(30)').catch((it: unknown) => it);
  await until('the statement runs', async () => {
    const { rows } = await third.query(`SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'`);
    return rows.length === 1;
  });
  await third.stop('immediate');
  expect(await lost).toMatchObject({ code: 'RPG_OUTCOME_UNKNOWN', isRetryable: false });
  const refused = await manager.routeQuery('INSERT', serverSql).catch((it: unknown) => it);
  expect(refused).toMatchObject({ code: 'RPG_PRIMARY_UNREACHABLE', isRetryable: true });
  expect(refused).toBeInstanceOf(RouterError);

  await follows(manager, publish({ epoch: 13, primary: null, replicas: [] }));
  expect(await codeOf(manager.routeQuery('INSERT', serverSql))).toBe('RPG_NO_PRIMARY');
  expect(await codeOf(manager.routeQuery('SELECT', serverSql))).toBe('RPG_NO_REPLICA');
});

test('a pool whose connections all stay in use says so and leaves the replica in the reads', async () => {
  publish();
  const manager = start({ poolSize: 1, connectTimeoutMs: 300 });
  const slow = manager.routeQuery('INSERT', 'SELECT pg_sleep(1)');
  expect(await codeOf(manager.routeQuery('INSERT', serverSql))).toBe('RPG_POOL_BUSY');
  await slow;
  expect(await serverOf(manager, 'INSERT')).toBe('orders-1');
});

test('a statement waits for the first document and the first credentials, but not for ever', async () => {
  using nothing = new MountedFolder();
  const options = { firstDocumentTimeoutMs: 200 };
  expect(await codeOf(start(options).routeQuery('SELECT', serverSql))).toBe('RPG_NO_ENDPOINTS');
  endpoints.write({ 'endpoints.json': '{' });
  expect(await codeOf(start(options).routeQuery('SELECT', serverSql))).toBe('RPG_ENDPOINTS_INVALID');
  publish();
  const without = start({ ...options, credentialsDir: nothing.path });
  expect(await codeOf(without.routeQuery('SELECT', serverSql))).toBe('RPG_NO_CREDENTIALS');
  expect(without.hasReadReplicas()).toBe(false);

  const late = start({ credentialsDir: nothing.path });
  const waiting = serverOf(late);
  nothing.write(files());
  expect(await waiting).toBe('orders-2');
});

test('what is mounted already is known before the first statement', () => {
  publish();
  expect(start().hasReadReplicas()).toBe(true);
});

test('the end waits for statements under way, and nothing runs after it', async () => {
  publish();
  const manager = start();
  const slow = manager.routeQuery('SELECT', `${serverSql}, pg_sleep(0.3)`);
  await until('the statement runs', () => manager.status().replicas[0]?.connections.total === 1);
  const order: string[] = [];
  await Promise.all([slow.then(() => order.push('answered')), manager.end().then(() => order.push('ended'))]);
  expect(order).toEqual(['answered', 'ended']);
  expect(await codeOf(manager.routeQuery('SELECT', serverSql))).toBe('RPG_CLOSED');
  expect(await codeOf(manager.getWriteDatabase().exec(serverSql))).toBe('RPG_CLOSED');
});

test('the end also ends a wait for the first document', async () => {
  const manager = start();
  const waiting = codeOf(manager.routeQuery('SELECT', serverSql));
  await manager.end();
  expect(await waiting).toBe('RPG_CLOSED');
});
