// No more clients than `max`, whoever gives them: `pg.Pool`, or ours with and without replicas.

import type { Pool, PoolClient, PoolConfig } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RoutedPool } from '../../src/router/index.ts';
import { type PoolKind, poolKinds, poolOf } from '../fixtures/poolKinds.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
const opened: Pool[] = [];

beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 1 });
  await postgres.primary.query('CREATE TABLE orders (id serial PRIMARY KEY)');
  await postgres.caughtUp();
}, 60_000);
afterEach(async () => {
  for (const pool of opened.splice(0)) if (!pool.ending) await pool.end();
});
afterAll(() => postgres[Symbol.asyncDispose]());

function open(kind: PoolKind, config: PoolConfig = {}): Pool {
  const pool = poolOf(kind, postgres, config);
  pool.on('error', () => {});
  opened.push(pool);
  return pool;
}

/** With `max` clients out. */
function exhaust(pool: Pool): Promise<PoolClient[]> {
  return Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
}

describe.each(poolKinds)('%s', (kind) => {
  test('gives out no more than max clients, and the next one to who has waited longest', async () => {
    const pool = open(kind, { max: 2 });
    const [one, other] = await exhaust(pool);
    const order: string[] = [];
    const waiting = ['first', 'second', 'third'].map(async (name) => {
      const client = await pool.connect();
      order.push(name);
      return client;
    });
    await until('they wait', () => pool.waitingCount === 3);
    expect(order).toEqual([]);
    one?.release();
    const first = await waiting[0];
    expect([order, pool.waitingCount]).toEqual([['first'], 2]);
    first?.release(true);
    const second = await waiting[1];
    expect([order, pool.waitingCount]).toEqual([['first', 'second'], 1]);
    other?.release();
    second?.release();
    (await waiting[2])?.release();
    expect([order, pool.waitingCount]).toEqual([['first', 'second', 'third'], 0]);
  });

  test('says after connectionTimeoutMillis that none became free, and goes on with the next one that is', async () => {
    const pool = open(kind, { max: 1, connectionTimeoutMillis: 100 });
    const [client] = await exhaust(pool);
    const error = (await pool.connect().catch((it: unknown) => it)) as Error;
    expect(error.message).toMatch(/^timeout exceeded when trying to connect/);
    expect(pool.waitingCount).toBe(0);
    const late = pool.connect();
    client?.release();
    (await late).release();
    const again = await pool.connect();
    expect((await again.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    again.release();
  });

  test('waits for ever without connectionTimeoutMillis, also by callback', async () => {
    const pool = open(kind, { max: 1 });
    const [client] = await exhaust(pool);
    const given = new Promise<PoolClient>((resolve, reject) => {
      pool.connect((error, it) => (it === undefined ? reject(error) : resolve(it)));
    });
    await until('it waits', () => pool.waitingCount === 1);
    client?.release();
    (await given).release();
  });

  test('lets as many clients as there are write at once', async () => {
    const pool = open(kind, { max: 3, connectionTimeoutMillis: 5_000 });
    const clients = await exhaust(pool);
    for (const client of clients) await client.query('BEGIN');
    for (const client of clients) await client.query('INSERT INTO orders DEFAULT VALUES');
    await Promise.all(clients.map((client) => client.query('ROLLBACK')));
    for (const client of clients) client.release();
  });
});

test('a transaction gives its place back, however it ends', async () => {
  const pool = open('RoutedPool with a replica', { max: 1, connectionTimeoutMillis: 5_000 }) as RoutedPool;
  await expect(pool.transaction((client) => client.query('SELECT 1/0'))).rejects.toMatchObject({
    code: '22012',
  });
  await pool.transaction((client) => client.query('SELECT 1'));
  await pool.transaction((client) => client.query('SELECT 1'), { readOnly: true });
});

test('who waits for a client when a pool with replicas is ended is still served', async () => {
  const pool = open('RoutedPool with a replica', { max: 1 });
  const [client] = await exhaust(pool);
  const waiting = pool.connect();
  await until('it waits', () => pool.waitingCount === 1);
  const ended = pool.end();
  client?.release();
  (await waiting).release();
  await ended;
});
