// Nothing that a scope has seen is missing from a later read of it, wherever it has seen it: the promise of monotonic reads.

import { Query } from 'pg';
import Cursor from 'pg-cursor';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createReplicaManager, type RoutedPool, runInScope, staticSource } from '../../src/router/index.ts';
import { loginTo, routedPool } from '../fixtures/poolKinds.ts';
import { startTemporaryPostgres, type TemporaryPostgres } from '../fixtures/temporaryPostgres.ts';

const countSql = 'SELECT count(*)::int AS count FROM orders';

let postgres: TemporaryPostgres;
let pool: RoutedPool;

beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 1 });
  await postgres.primary.query('CREATE TABLE orders (id serial PRIMARY KEY)');
}, 60_000);
beforeEach(async () => {
  await postgres.caughtUp();
  await postgres.replicas[0]?.query('SELECT pg_wal_replay_pause()');
  pool = routedPool(postgres);
});
afterEach(async () => {
  await pool.end();
  await postgres.replicas[0]?.query('SELECT pg_wal_replay_resume()');
});
afterAll(() => postgres[Symbol.asyncDispose]());

/** What somebody else has written is on the primary alone. `read` sees it there; how many does the next read of its scope see? */
async function seenAfter(read: () => Promise<number>): Promise<{ first: number; later: number }> {
  return runInScope({}, async () => {
    await pool.query(countSql);
    await postgres.primary.query('INSERT INTO orders DEFAULT VALUES');
    const first = await read();
    return { first, later: (await pool.query(countSql)).rows[0]?.count as number };
  });
}

async function expectSeen(read: () => Promise<number>): Promise<void> {
  const { rows } = await postgres.primary.query(countSql);
  expect(await seenAfter(read)).toEqual({ first: rows[0].count + 1, later: rows[0].count + 1 });
}

test('a read that a caller sends to the primary', () =>
  expectSeen(async () => {
    const { rows } = await pool.query<{ count: number }>({ text: countSql, route: 'primary' });
    return rows[0]?.count ?? -1;
  }));

test('a read by the database for writes of a replica manager', async () => {
  const { host, port, user = '', database = '' } = loginTo(postgres);
  const credentials = { username: user, password: postgres.password, database };
  const manager = createReplicaManager({
    tls: 'off',
    sources: [
      staticSource({
        primary: { host: host as string, port, credentials },
        replicas: postgres.replicas.map((it) => ({ host: it.host, port: it.port })),
      }),
    ],
  });
  await using _ = manager;
  await runInScope({}, async () => {
    await postgres.primary.query('INSERT INTO orders DEFAULT VALUES');
    const first = await manager.getWriteDatabase().exec(countSql);
    expect((await manager.routeQuery('SELECT', countSql)).rows).toEqual(first.rows);
  });
});

test('a read inside of a transaction that is still open, or is never ended', () =>
  expectSeen(async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    const { rows } = await client.query(countSql);
    const beside = await pool.query(countSql);
    expect(beside.rows).toEqual(rows);
    client.release();
    return rows[0].count;
  }));

test('a read of a session that stays on the primary', async () => {
  const client = await pool.connect();
  await runInScope({}, () => client.query("SET application_name = 'mine'"));
  await expectSeen(async () => (await client.query(countSql)).rows[0].count);
  client.release();
});

test('a cursor of such a session, and an object that is sent to the primary', async () => {
  const client = await pool.connect();
  await runInScope({}, () => client.query("SET application_name = 'mine'"));
  await expectSeen(async () => {
    const cursor = client.query(new Cursor(countSql));
    const rows = await cursor.read(1);
    await cursor.close();
    return rows[0].count;
  });
  client.release();
  await expectSeen(async () => {
    const given = Object.assign(new Query(countSql), { route: 'primary' });
    const answered = pool.query(given as never) as unknown as Promise<{ rows: { count: number }[] }>;
    return (await answered).rows[0]?.count ?? -1;
  });
});

test('what an object has written is seen by a read that its callback begins', async () => {
  const { rows } = await postgres.primary.query(countSql);
  const client = await pool.connect();
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const insert = Object.assign(new Query('INSERT INTO orders DEFAULT VALUES'), {
    callback: (error?: Error) =>
      error ? reject(error) : resolve(pool.query(countSql).then((it) => it.rows)),
  });
  client.query(insert as never);
  expect(await promise).toEqual([{ count: rows[0].count + 1 }]);
  client.release();
});

test('a transaction that an object begins READ ONLY is one', async () => {
  const client = await pool.connect();
  const begun = Promise.withResolvers<void>();
  client.query(
    Object.assign(new Query('BEGIN READ ONLY'), {
      callback: (error?: Error) => (error ? begun.reject(error) : begun.resolve()),
    }) as never,
  );
  await begun.promise;
  await expect(client.query('INSERT INTO orders DEFAULT VALUES')).rejects.toMatchObject({ code: '25006' });
  await client.query('ROLLBACK');
  client.release();
});

test('a replica that has hung up is not trusted with what it had before, until it has been asked anew', async () => {
  const [replica] = postgres.replicas;
  await pool.query('INSERT INTO orders DEFAULT VALUES');
  await replica?.query('SELECT pg_wal_replay_resume()');
  const read = () => pool.explain(countSql).read;
  await expect.poll(() => read()?.role, { timeout: 10_000 }).toBe('replica');
  const reasons = new Set<string | null | undefined>();
  const watch = setInterval(() => reasons.add(read()?.replicas[0]?.rejected), 1);
  await replica?.query(
    `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE '% probe'`,
  );
  await expect.poll(() => reasons.has('has no known position')).toBe(true);
  await expect.poll(() => read()?.role, { timeout: 10_000 }).toBe('replica');
  clearInterval(watch);
});
