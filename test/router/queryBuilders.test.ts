// The pool under what applications really use: Kysely, Drizzle and node-pg-migrate, each of which was made for `pg.Pool`.

import { dirname, join } from 'node:path';
import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import { type Generated, Kysely, PostgresDialect } from 'kysely';
import { runner } from 'node-pg-migrate';
import type { PoolClient } from 'pg';
import Cursor from 'pg-cursor';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { RoutedPool } from '../../src/router/index.ts';
import { routedPool } from '../fixtures/poolKinds.ts';
import { startTemporaryPostgres, type TemporaryPostgres } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
let pool: RoutedPool;
/** Where connections were taken out, one for each statement outside of transactions. */
let visited: string[] = [];

beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 1 });
}, 60_000);
beforeEach(async () => {
  await postgres.primary.query('DROP TABLE IF EXISTS orders, pgmigrations');
  await postgres.primary.query('CREATE TABLE orders (id serial PRIMARY KEY, item text NOT NULL)');
  await postgres.primary.query(`INSERT INTO orders (item) VALUES ('tea'), ('cup')`);
  await postgres.caughtUp();
  pool = routedPool(postgres, { replicaManager: { consistency: 'eventual' } });
  pool.on('acquire', (client: PoolClient) =>
    visited.push(client.port === postgres.primary.port ? 'primary' : 'replica'),
  );
});
afterEach(async () => {
  if (!pool.ending) await pool.end();
  visited = [];
});
afterAll(() => postgres[Symbol.asyncDispose]());

const visits = () => visited.splice(0);

test('Kysely: reads, writes, transactions and streams', async () => {
  const db = new Kysely<{ orders: { id: Generated<number>; item: string } }>({
    dialect: new PostgresDialect({ pool, cursor: Cursor }),
  });
  const items = db.selectFrom('orders').select('item').orderBy('id');
  expect(await items.execute()).toEqual([{ item: 'tea' }, { item: 'cup' }]);
  expect(visits()).toEqual(['replica']);

  const added = await db.insertInto('orders').values({ item: 'jug' }).returning('item').executeTakeFirst();
  expect(added).toEqual({ item: 'jug' });
  expect(await items.forUpdate().limit(1).execute()).toEqual([{ item: 'tea' }]);
  expect(visits()).toEqual(['primary', 'primary']);

  const read = await db.transaction().execute(async (trx) => {
    await trx.updateTable('orders').set({ item: 'mug' }).where('item', '=', 'cup').execute();
    return trx.selectFrom('orders').select('item').where('item', '=', 'mug').execute();
  });
  expect(read).toEqual([{ item: 'mug' }]);
  expect(visits()).toEqual(['primary']);

  const onReplica = db.transaction().setAccessMode('read only');
  expect(await onReplica.execute((trx) => trx.selectFrom('orders').select('id').execute())).not.toEqual([]);
  expect(visits()).toEqual(['replica']);

  const failed = db.transaction().execute(async (trx) => {
    await trx.deleteFrom('orders').execute();
    throw new Error('changed my mind');
  });
  await expect(failed).rejects.toThrow('changed my mind');
  await postgres.caughtUp();
  visits();
  const streamed: string[] = [];
  for await (const { item } of items.stream(1)) streamed.push(item);
  expect(streamed).toEqual(['tea', 'mug', 'jug']);
  expect(visits()).toEqual(['replica']);

  await db.destroy();
  expect(pool.ended).toBe(true);
});

test('Drizzle: reads, writes, relational queries, transactions and prepared statements', async () => {
  const orders = pgTable('orders', {
    id: integer('id').generatedAlwaysAsIdentity().primaryKey(),
    item: text('item').notNull(),
  });
  const db = drizzle(pool, { schema: { orders } });
  expect(await db.select({ item: orders.item }).from(orders).orderBy(orders.id)).toEqual([
    { item: 'tea' },
    { item: 'cup' },
  ]);
  expect(await db.query.orders.findFirst({ where: eq(orders.item, 'cup') })).toEqual({ id: 2, item: 'cup' });
  expect(visits()).toEqual(['replica', 'replica']);

  const prepared = db.select({ id: orders.id }).from(orders).where(eq(orders.item, 'tea')).prepare('tea');
  expect([await prepared.execute(), await prepared.execute()]).toEqual([[{ id: 1 }], [{ id: 1 }]]);
  expect(visits()).toEqual(['replica', 'replica']);

  await db.update(orders).set({ item: 'mug' }).where(eq(orders.item, 'cup'));
  expect(visits()).toEqual(['primary']);

  const seen = await db.transaction(async (tx) => {
    await tx.update(orders).set({ item: 'pot' }).where(eq(orders.item, 'mug'));
    await tx.transaction(async (inner) => inner.delete(orders).where(eq(orders.item, 'tea')));
    return tx.select({ item: orders.item }).from(orders);
  });
  expect(seen).toEqual([{ item: 'pot' }]);
  expect(visits()).toEqual(['primary']);

  const count = await db.transaction((tx) => tx.$count(orders), { accessMode: 'read only' });
  expect(count).toBeGreaterThan(0);
  expect(visits()).toEqual(['replica']);

  const failed = db.transaction(async (tx) => {
    await tx.delete(orders);
    tx.rollback();
  });
  await expect(failed).rejects.toThrow('Rollback');
  expect((await postgres.primary.query('SELECT item FROM orders')).rows).toEqual([{ item: 'pot' }]);
});

test('node-pg-migrate: up and down, all of it on the primary', async () => {
  await postgres.primary.query('DROP TABLE orders');
  const migrate = async (direction: 'up' | 'down') => {
    const client = await pool.connect();
    try {
      const done = await runner({
        dbClient: client,
        direction,
        dir: join(dirname(import.meta.dirname), 'fixtures', 'migrations'),
        migrationsTable: 'pgmigrations',
        log: () => {},
      });
      return done.map(({ name }) => name);
    } finally {
      client.release();
    }
  };
  expect(await migrate('up')).toEqual(['1_orders']);
  expect((await postgres.primary.query('SELECT item FROM orders')).rows).toEqual([{ item: 'tea' }]);
  expect(await migrate('up')).toEqual([]);
  expect(await migrate('down')).toEqual(['1_orders']);
  expect(new Set(visits())).toEqual(new Set(['primary']));
});
