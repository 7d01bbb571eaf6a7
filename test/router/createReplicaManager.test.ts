// Where statements go and what becomes of them when servers fail.

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { RouterError } from '../../src/router/index.ts';
import { replicaEndpoint } from '../fixtures/endpointsDocument.ts';
import {
  asPrimary,
  codeOf,
  follows,
  RoutedTopology,
  readWithoutPause,
  serverOf,
  serverSql,
} from '../fixtures/routedTopology.ts';
import { makeCertificates } from '../fixtures/temporaryCertificates.ts';
import { until } from '../fixtures/temporaryPostgres.ts';

let topology: RoutedTopology;

beforeAll(async () => {
  topology = await RoutedTopology.start();
}, 60_000);
afterEach(() => topology.reset());
afterAll(() => topology[Symbol.asyncDispose]());

test('reads take the replicas in turn, everything else goes to the primary', async () => {
  topology.publish();
  const manager = topology.manage();
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
  topology.publish();
  const manager = topology.manage();
  const written = await manager.routeQuery(
    'INSERT',
    'INSERT INTO orders (id) VALUES ($1), ($2) RETURNING id',
    [1, 2],
  );
  expect(written).toMatchObject({ command: 'INSERT', rowCount: 2, rows: [{ id: 1 }, { id: 2 }] });
  await topology.postgres.caughtUp();
  const read = await manager.routeQuery('SELECT', 'SELECT id FROM orders WHERE id = ANY ($1) ORDER BY id', [
    [1, 2],
  ]);
  expect(read.rows).toEqual([{ id: 1 }, { id: 2 }]);
});

test('an error of the server passes unchanged and keeps the connection', async () => {
  topology.publish();
  const manager = topology.manage({ poolSize: 1 });
  const pid = async () =>
    (await manager.getWriteDatabase().exec('SELECT pg_backend_pid() AS pid')).rows[0]?.['pid'];
  const before = await pid();
  expect(await codeOf(manager.routeQuery('INSERT', 'INSERT INTO orders VALUES (7), (7)'))).toBe('23505');
  expect(await codeOf(manager.routeQuery('SELECT', 'SELECT nonsense'))).toBe('42703');
  expect(await codeOf(manager.routeQuery('SELECT', 'INSERT INTO orders VALUES (7), (7)'))).toBe('23505');
  expect(await pid()).toBe(before);
});

test('replicas that die take no read with them: the next one answers, then the primary, then they are back', async () => {
  topology.publish();
  const manager = topology.manage();
  const [second, third] = topology.replicas;
  const load = readWithoutPause(manager);
  await until('both replicas answer', () => load.servers.size === 2);

  await second.stop('immediate');
  await until('orders-2 rests', () => manager.status().replicas[0]?.verdict.kind === 'resting');
  expect(await serverOf(manager)).toBe('orders-3');
  expect(manager.hasReadReplicas()).toBe(true);

  await third.stop('immediate');
  await until('the primary answers', () => load.servers.has('orders-1'));
  // Now and then their rest is over and one read finds out that they are still away.
  await until('no replica is there', () => !manager.hasReadReplicas());

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
  topology.publish({ routing: { maxLagSeconds: 10, resumeLagSeconds: 5, fallbackToPrimary: false } });
  const manager = topology.manage();
  const [second, third] = topology.replicas;
  await Promise.all([second.stop(), third.stop()]);
  const error = await manager.routeQuery('SELECT', serverSql).catch((it: unknown) => it);
  expect(error).toMatchObject({ code: 'RPG_NO_REPLICA', isRetryable: true, cause: { code: 'ECONNREFUSED' } });
  expect(String(error)).toMatch(
    /orders-2 connect ECONNREFUSED .*orders-3 connect ECONNREFUSED .*may not serve reads/,
  );
  expect(await serverOf(manager, 'INSERT')).toBe('orders-1');
});

test('a server whose certificate leads to another authority, or has another name, is not talked to', async () => {
  topology.publish();
  topology.secret.write(topology.files({ 'ca.crt': (await makeCertificates()).ca }));
  const stranger = topology.manage();
  const error = await stranger.routeQuery('INSERT', serverSql).catch((it: unknown) => it);
  expect(error).toMatchObject({ code: 'RPG_SERVER_UNTRUSTED', isRetryable: false });
  expect(String(error)).toMatch(/the certificate of orders-1 is not trusted/);
  expect(await codeOf(stranger.routeQuery('SELECT', serverSql))).toBe('RPG_SERVER_UNTRUSTED');

  topology.secret.write(topology.files());
  // Another spelling of 127.0.0.1: the same server, under a name that its certificate does not have.
  topology.publish({ primary: { ...asPrimary(topology.postgres.primary), host: '127.1' } });
  const misnamed = await topology
    .manage()
    .routeQuery('INSERT', serverSql)
    .catch((it: unknown) => it);
  expect(misnamed).toMatchObject({ code: 'RPG_SERVER_UNTRUSTED' });
  expect(String(misnamed)).toMatch(/does not match certificate/);
});

test('a login that is refused is the caller’s to mend, and no replica rests for it', async () => {
  topology.publish();
  const logins = [
    [{ password: 'guessed' }, '28P01'],
    [{ username: 'nobody' }, '28P01'],
    [{ database: 'nowhere' }, '3D000'],
  ] as const;
  for (const [difference, code] of logins) {
    topology.secret.write(topology.files(difference));
    const manager = topology.manage();
    expect(await codeOf(manager.routeQuery('SELECT', serverSql))).toBe(code);
    expect(await codeOf(manager.routeQuery('INSERT', serverSql))).toBe(code);
    expect(manager.status().replicas.map(({ verdict }) => verdict.kind)).toEqual(['serving', 'serving']);
  }
});

test('a transaction that is left open swallows nothing of the statements that follow', async () => {
  topology.publish();
  const manager = topology.manage({ poolSize: 1 });
  const database = manager.getWriteDatabase();
  const error = await database.exec('BEGIN').catch((it: unknown) => it);
  expect(error).toMatchObject({ code: 'RPG_TRANSACTION_LEFT_OPEN', isRetryable: false });
  expect(String(error)).toMatch(/one statement .*, use `transaction` or take a client/);
  await database.exec('INSERT INTO orders VALUES (101)');

  expect(await codeOf(database.exec('BEGIN; SELECT 1/0'))).toBe('22012');
  await database.exec('INSERT INTO orders VALUES (102)');
  await database.exec('BEGIN; INSERT INTO orders VALUES (103); COMMIT');

  expect(await codeOf(manager.getReadReplica().exec('BEGIN'))).toBe('RPG_TRANSACTION_LEFT_OPEN');
  const { rows } = await topology.postgres.primary.query('SELECT id FROM orders WHERE id > 100 ORDER BY id');
  expect(rows).toEqual([{ id: 101 }, { id: 102 }, { id: 103 }]);
});

test('a write on a primary that is down did not run; on one that dies under it the outcome is unknown', async () => {
  const { primary } = topology.postgres;
  topology.publish({ replicas: [] });
  const manager = topology.manage({ failoverTimeoutMs: 0 });
  const write = 'INSERT INTO orders SELECT 900 FROM pg_sleep(30)';
  const lost = manager.routeQuery('INSERT', write).catch((it: unknown) => it);
  await until('the statement runs', async () => {
    const { rows } = await primary.query('SELECT 1 FROM pg_stat_activity WHERE query = $1', [write]);
    return rows.length === 1;
  });
  await primary.stop('immediate');
  expect(await lost).toMatchObject({ code: 'RPG_OUTCOME_UNKNOWN', isRetryable: false });
  const refused = await manager.routeQuery('INSERT', serverSql).catch((it: unknown) => it);
  expect(refused).toMatchObject({ code: 'RPG_PRIMARY_UNREACHABLE', isRetryable: true });
  expect(refused).toBeInstanceOf(RouterError);

  await follows(manager, topology.publish({ epoch: 13, primary: null, replicas: [] }));
  expect(await codeOf(manager.routeQuery('INSERT', serverSql))).toBe('RPG_NO_PRIMARY');
  expect(await codeOf(manager.routeQuery('SELECT', serverSql))).toBe('RPG_NO_REPLICA');
});

test('a pool whose connections all stay in use says so and leaves the replica in the reads', async () => {
  topology.publish();
  const manager = topology.manage({ poolSize: 1, connectTimeoutMs: 300 });
  const slow = manager.routeQuery('INSERT', 'SELECT pg_sleep(1)');
  expect(await codeOf(manager.routeQuery('INSERT', serverSql))).toBe('RPG_POOL_BUSY');
  await slow;
  expect(await serverOf(manager, 'INSERT')).toBe('orders-1');
});

test('a read that finds a replica full goes to the next one, and leaves the primary in peace', async () => {
  topology.publish();
  const manager = topology.manage({ poolSize: 1, connectTimeoutMs: 300 });
  // So that nobody has to log in while others wait: on a busy machine that takes longer than they may.
  for (const server of ['orders-2', 'orders-3']) expect(await serverOf(manager)).toBe(server);
  const onSecond = manager.routeQuery('SELECT', `${serverSql}, pg_sleep(4)`);
  const turn = await serverOf(manager);
  expect([turn, await serverOf(manager)]).toEqual(['orders-3', 'orders-3']);
  const onThird = manager.routeQuery('SELECT', `${serverSql}, pg_sleep(4)`);
  await until('both replicas are full', () =>
    manager.status().replicas.every(({ connections }) => connections.total - connections.idle === 1),
  );
  expect(await codeOf(manager.routeQuery('SELECT', serverSql))).toBe('RPG_POOL_BUSY');
  expect((await Promise.all([onSecond, onThird])).map(({ rows }) => rows[0]?.['server'])).toEqual([
    'orders-2',
    'orders-3',
  ]);
  expect(manager.status().replicas.map(({ verdict }) => verdict.kind)).toEqual(['serving', 'serving']);
});

test('a replica that accepts connections and says nothing costs time but no read, however many come at once', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  topology.publish({ replicas: [replicaEndpoint({ name: 'orders-2', host: '127.0.0.1', port })] });
  const manager = topology.manage({ poolSize: 2, connectTimeoutMs: 1_000 });
  // The primary is logged in to: only the silent one takes its time.
  expect(await serverOf(manager, 'INSERT')).toBe('orders-1');
  const reads = await Promise.all(Array.from({ length: 10 }, () => serverOf(manager)));
  expect(new Set(reads)).toEqual(new Set(['orders-1']));
  expect(manager.status().replicas[0]?.verdict.kind).toBe('resting');
  silent.close();
});

test('the end waits for statements under way, and nothing runs after it', async () => {
  topology.publish();
  const manager = topology.manage();
  const slow = manager.routeQuery('SELECT', `${serverSql}, pg_sleep(0.3)`);
  await until('the statement runs', () => manager.status().replicas[0]?.connections.total === 1);
  const order: string[] = [];
  await Promise.all([slow.then(() => order.push('answered')), manager.end().then(() => order.push('ended'))]);
  expect(order).toEqual(['answered', 'ended']);
  expect(await codeOf(manager.routeQuery('SELECT', serverSql))).toBe('RPG_CLOSED');
  expect(await codeOf(manager.getWriteDatabase().exec(serverSql))).toBe('RPG_CLOSED');
});
