// A client that its user gives up, by a release with an error or `true`: nothing of it goes on, as with `pg`.

import type { Pool, PoolClient } from 'pg';
import Cursor from 'pg-cursor';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { poolKinds, poolOf, routedPool } from '../fixtures/poolKinds.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
let pool: Pool;

beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 1 });
}, 60_000);
// Ends only when nothing of the client is left.
afterEach(() => pool.end());
afterAll(() => postgres[Symbol.asyncDispose]());

async function connect(kind: (typeof poolKinds)[number]): Promise<PoolClient> {
  pool = poolOf(kind, postgres, { max: 1 });
  const client = await pool.connect();
  client.on('error', () => {});
  return client;
}

/** Statements that sleep, on any server. */
async function sleepers(): Promise<number> {
  const sql = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid()`;
  const servers = [postgres.primary, ...postgres.replicas];
  const counts = await Promise.all(servers.map(async (it) => (await it.query(sql)).rows[0].count as number));
  return counts.reduce((sum, count) => sum + count, 0);
}

describe.each(poolKinds)('%s', (kind) => {
  test.each([true, new Error('given up')])('a cursor that nobody has closed (%s)', async (how) => {
    const client = await connect(kind);
    const cursor = client.query(new Cursor('SELECT * FROM generate_series(1, 100000)'));
    expect(await cursor.read(2)).toHaveLength(2);
    client.release(how);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('a statement on the primary, and those that wait behind it', async () => {
    const client = await connect(kind);
    const failed = Promise.allSettled([
      client.query('SELECT pg_sleep(60), set_config($1, $1, false)', ['a.b']),
      client.query('SELECT 1'),
    ]);
    await until('it runs', async () => (await sleepers()) === 1);
    client.release(true);
    expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await postgres.primary.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()`,
    );
  });
});

test('a client that is released under an open cursor keeps its connection no longer than drainTimeoutMs', async () => {
  pool = routedPool(postgres, { max: 1, replicaManager: { drainTimeoutMs: 300, consistency: 'eventual' } });
  for (const route of ['replica', 'primary']) {
    const client = await pool.connect();
    if (route === 'primary') await client.query('BEGIN');
    const cursor = client.query(new Cursor('SELECT * FROM generate_series(1, 100000)'));
    expect(await cursor.read(2)).toHaveLength(2);
    client.release();
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  }
});
