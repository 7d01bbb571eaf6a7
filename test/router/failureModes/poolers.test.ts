// The library behind PgBouncer: restarts of the pooler and of the server behind it, poolers that lead to the wrong server, and
// prepared statements, which a pooler moves from one server connection to another.

import type { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { RoutedPool, type RoutedPoolConfig, type RouterError } from '../../../src/router/index.ts';
import { keepDoing } from '../../fixtures/keepDoing.ts';
import { newerPostgresBinaries } from '../../fixtures/newerPostgres.ts';
import { pgbouncerProgram } from '../../fixtures/pgbouncerProgram.ts';
import { loginTo } from '../../fixtures/poolKinds.ts';
import { becomePostgresUser } from '../../fixtures/postgresUser.ts';
import { serverSql } from '../../fixtures/routedTopology.ts';
import { TemporaryPgbouncer, type TemporaryPgbouncerOptions } from '../../fixtures/temporaryPgbouncer.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../../fixtures/temporaryPostgres.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

let postgres: TemporaryPostgres;
const cleaning: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  await pgbouncerProgram();
  await newerPostgresBinaries(18);
  await becomePostgresUser();
  postgres = await startTemporaryPostgres({ replicas: 1, version: 18 });
  await postgres.primary.query('CREATE TABLE orders (id int)');
  await postgres.caughtUp();
});
afterEach(async () => {
  for (const clean of cleaning.splice(0).toReversed()) await clean();
});
afterAll(() => postgres[Symbol.asyncDispose]());

const replicaOf = () => {
  const [replica] = postgres.replicas;
  if (replica === undefined) throw new Error('there is a replica');
  return replica;
};

async function bouncer(port: number, settings: TemporaryPgbouncerOptions['settings'] = {}) {
  const { user, password } = postgres;
  const made = await TemporaryPgbouncer.start({ port, user, password, settings });
  cleaning.push(() => made[Symbol.asyncDispose]());
  return made;
}

/** Writes through one pooler and reads through the other, and answers already. */
async function openBehind(
  readWrite: TemporaryPgbouncer,
  readOnly: TemporaryPgbouncer,
  config: RoutedPoolConfig = {},
): Promise<RoutedPool> {
  const { host, port } = readWrite;
  const { replicaManager, ...driver } = config;
  const pool = new RoutedPool({
    ...loginTo(postgres),
    host,
    port,
    ...driver,
    replicaManager: {
      replicas: [{ name: 'replica', host: readOnly.host, port: readOnly.port }],
      healthCheckIntervalMs: 100,
      ...replicaManager,
    },
  });
  cleaning.push(() => pool.end());
  await until('both answer', async () => {
    const { primary, replicas } = pool.status();
    return [primary, ...replicas].every((it) => it?.observed?.kind === 'answered');
  });
  return pool;
}

const serverOf = async (on: Pick<Pool, 'query'>) => (await on.query(serverSql)).rows[0].server;
const insert = 'INSERT INTO orders VALUES (1)';

test('a rolling restart of the poolers costs no read, and a write at most the chance to be sent again', async () => {
  const [readWrite, readOnly] = [await bouncer(postgres.primary.port), await bouncer(replicaOf().port)];
  const pool = await openBehind(readWrite, readOnly, { replicaManager: { consistency: 'eventual' } });
  const readers = Array.from({ length: 4 }, () => keepDoing(() => serverOf(pool)));
  const refused: unknown[] = [];
  const writer = keepDoing(() => pool.query(insert).catch((error: unknown) => refused.push(error)));
  const counts = () => [...readers.map(({ count }) => count), writer.count];
  const hasGoneOn = async () => {
    const before = counts();
    await until('all go on', () => counts().every((count, index) => count > (before[index] ?? 0) + 5));
  };

  for (const one of [readOnly, readWrite]) {
    await hasGoneOn();
    await one.stop('SIGINT');
    await hasGoneOn();
    await one.start();
  }
  await until('the primary answers again', () =>
    pool.query(insert).then(
      () => true,
      () => false,
    ),
  );
  await until('the replica answers again', async () => (await serverOf(pool)) === 'orders-2');

  for (const it of [...readers, writer]) await it.stop();
  expect(refused.length).toBeGreaterThan(0);
  // PgBouncer hangs up on who waits for it to end, so that nobody knows of the one that was under way.
  const unknown = refused.filter((error) => !(error as RouterError).isRetryable);
  expect(unknown.length).toBeLessThanOrEqual(1);
});

test('a pooler that waits for its clients to go still serves those that it has', async () => {
  const [readWrite, readOnly] = [await bouncer(postgres.primary.port), await bouncer(replicaOf().port)];
  const pool = await openBehind(readWrite, readOnly, { replicaManager: { consistency: 'eventual' } });
  expect(await serverOf(pool)).toBe('orders-2');
  const stopping = readOnly.stop('SIGTERM');
  const retries = pool.status().counters.retries;
  for (let count = 0; count < 10; count += 1) expect(await serverOf(pool)).toBe('orders-2');
  expect(pool.status().counters.retries).toBe(retries);
  await Promise.all([readOnly.stop('SIGQUIT'), stopping]);
  expect(await serverOf(pool)).toBe('orders-1');
});

test('while PostgreSQL restarts behind the pooler nothing is lost without a word, and soon after all is as before', async () => {
  const [readWrite, readOnly] = [await bouncer(postgres.primary.port), await bouncer(replicaOf().port)];
  const pool = await openBehind(readWrite, readOnly, { replicaManager: { consistency: 'strong' } });
  await pool.query(insert);
  await postgres.primary.stop('fast');
  const told: unknown[] = [];
  const tell = (error: unknown) => told.push(error);
  const attempts = [
    keepDoing(() => pool.query(insert).catch(tell)),
    keepDoing(() => serverOf(pool).catch(tell)),
  ];
  await until('somebody is told', () => told.length > 0);
  await postgres.primary.start();
  // With the default of PgBouncer, server_login_retry = 15, they would wait for that long.
  await until(
    'writes are taken',
    () =>
      pool.query(insert).then(
        () => true,
        () => false,
      ),
    10_000,
  );
  for (const it of attempts) await it.stop();
  for (const error of told) expect(error).toMatchObject({ isRetryable: true });
});

test('a pooler that leads to a standby answers reads, is told by the first write, and is not written to until it leads to the primary again', async () => {
  const [readWrite, readOnly] = [await bouncer(postgres.primary.port), await bouncer(replicaOf().port)];
  const pool = await openBehind(readWrite, readOnly, { replicaManager: { healthCheckIntervalMs: 600_000 } });
  await pool.query(insert);
  readWrite.leadTo(replicaOf().port);
  const server = () => pool.query({ text: serverSql, route: 'primary' });
  await until('it leads to the standby', async () => (await server()).rows[0]?.['server'] === 'orders-2');

  const refused = await pool.query(insert).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'RPG_FAILOVER_IN_PROGRESS', isRetryable: true });
  await until('the status says so', () => {
    const { primary, primaryReason } = pool.status();
    return (
      primary === null && primaryReason === 'primary is a replica now, and no other instance is primary yet'
    );
  });
  await expect(pool.query(insert)).rejects.toMatchObject({ code: 'RPG_NO_PRIMARY', isRetryable: true });

  readWrite.leadTo(postgres.primary.port);
  await until('it is written to again', () =>
    pool.query(insert).then(
      () => true,
      () => false,
    ),
  );
});

test('prepared statements are found on every server connection, also more of them than the pooler keeps, and on another instance', async () => {
  const few = { default_pool_size: 2, max_prepared_statements: 20 };
  const [readWrite, readOnly] = [
    await bouncer(postgres.primary.port, few),
    await bouncer(replicaOf().port, few),
  ];
  const pool = await openBehind(readWrite, readOnly, { max: 5 });
  const ask = async (number: number) => {
    const config = { name: `n${number}`, text: `${serverSql}, $1::int + ${number} AS sum`, values: [1] };
    const { rows } = await pool.query(config);
    expect(rows[0].sum).toBe(number + 1);
    return rows[0].server;
  };
  const numbers = Array.from({ length: 100 }, (_, index) => index);
  await Promise.all(numbers.map(ask));
  expect(new Set(await Promise.all(numbers.map(ask)))).toEqual(new Set(['orders-2']));
  await readOnly.stop('SIGQUIT');
  const servers = new Set();
  for (const number of numbers) servers.add(await ask(number));
  expect(servers).toEqual(new Set(['orders-1']));
});

test('where the pooler keeps no prepared statements, those that the server does not know are sent unnamed', async () => {
  const none = { default_pool_size: 2, max_prepared_statements: 0 };
  const [readWrite, readOnly] = [
    await bouncer(postgres.primary.port, none),
    await bouncer(replicaOf().port, none),
  ];
  const pool = await openBehind(readWrite, readOnly, { max: 5, replicaManager: { consistency: 'eventual' } });
  const ask = (text: string) => async (number: number) =>
    (await pool.query({ name: `n${number % 3}`, text, values: [] })).rows;
  const numbers = Array.from({ length: 30 }, (_, index) => index);
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(numbers.map(ask(serverSql)));
    await Promise.all(numbers.map((number) => pool.query({ name: `w${number % 3}`, text: insert })));
  }
});
