// What clients do with the connection that they hold: they wait for no other one like it, and lose nothing with it.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type RoutedPool, type RoutedPoolConfig, runInScope } from '../../src/router/index.ts';
import { FrozenProxy } from '../fixtures/frozenProxy.ts';
import { routedPool } from '../fixtures/poolKinds.ts';
import { startTemporaryPostgres, type TemporaryPostgres } from '../fixtures/temporaryPostgres.ts';

const serverSql = `SELECT current_setting('cluster_name') AS server`;
const replica = 'orders-2';

let postgres: TemporaryPostgres;
const opened: RoutedPool[] = [];

beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 1 });
  await postgres.primary.query('CREATE TABLE orders (id serial PRIMARY KEY)');
  await postgres.primary.query(`
    CREATE FUNCTION set_tenant(text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.tenant', $1, false) $$;
    CREATE FUNCTION add_order() RETURNS int LANGUAGE sql AS 'INSERT INTO orders DEFAULT VALUES RETURNING id';
    CREATE SEQUENCE calls;
    SELECT nextval('calls');
    CREATE FUNCTION count_and_die() RETURNS bool LANGUAGE sql
      AS $$ SELECT nextval('calls'); SELECT pg_terminate_backend(pg_backend_pid()) $$;
    CREATE PROCEDURE half() LANGUAGE plpgsql
      AS $$ BEGIN INSERT INTO orders DEFAULT VALUES; COMMIT; RAISE EXCEPTION 'half'; END $$`);
  await postgres.caughtUp();
}, 60_000);
afterEach(() => Promise.all(opened.splice(0).map((pool) => pool.end())));
afterAll(() => postgres[Symbol.asyncDispose]());

function open(config: RoutedPoolConfig = {}): RoutedPool {
  const pool = routedPool(postgres, {
    ...config,
    replicaManager: { consistency: 'eventual', ...config.replicaManager },
  });
  opened.push(pool);
  return pool;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    ({ code }) => code as string,
  );

test('as many clients as there are connections write, read what they wrote, and wait for nobody', async () => {
  const pool = open({ max: 3, replicaManager: { consistency: 'read-your-writes' } });
  const request = () =>
    runInScope({ consistency: 'strong' }, async () => {
      const client = await pool.connect();
      try {
        const { rows } = await client.query('INSERT INTO orders DEFAULT VALUES RETURNING id');
        return (await client.query('SELECT id FROM orders WHERE id = $1', [rows[0].id])).rowCount;
      } finally {
        client.release();
      }
    });

  expect(await Promise.all(Array.from({ length: 9 }, request))).toEqual(Array(9).fill(1));
});

test('a transaction that may not write is told so by PostgreSQL, also when it holds the only connection', async () => {
  const client = await open({ max: 1 }).connect();
  await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY');
  expect(await codeOf(client.query('INSERT INTO orders DEFAULT VALUES'))).toBe('25006');
  await client.query('ROLLBACK');
  client.release();
});

test('a read-only transaction on a replica refuses what would only count there', async () => {
  const client = await open().connect();
  await client.query('BEGIN READ ONLY');
  expect((await client.query(serverSql)).rows).toEqual([{ server: replica }]);
  expect(await codeOf(client.query('SELECT pg_advisory_xact_lock(42)'))).toBe('RPG_NEEDS_PRIMARY');
  expect(await codeOf(client.query("SET app.tenant = 'a'"))).toBe('RPG_NEEDS_PRIMARY');
  await client.query("SET LOCAL app.tenant = 'a'");
  await client.query('COMMIT');
  expect((await client.query('INSERT INTO orders DEFAULT VALUES RETURNING id')).rowCount).toBe(1);
  client.release();
});

test('what a function has set is there for the next read of the same client', async () => {
  const client = await open().connect();
  await client.query("SELECT set_tenant('a')");
  expect((await client.query("SELECT current_setting('app.tenant', true) AS tenant")).rows).toEqual([
    { tenant: 'a' },
  ]);
  client.release();
});

test('what a function may have set is not lost silently with the connection', async () => {
  const client = await open().connect();
  client.on('error', () => {});
  await client.query("SELECT set_tenant('a')");
  const { rows } = await client.query(
    "SELECT pg_backend_pid() AS pid, current_setting('app.tenant') AS tenant",
  );
  expect(rows[0].tenant).toBe('a');
  await postgres.primary.query('SELECT pg_terminate_backend($1, 5000)', [rows[0].pid]);
  const tenant = () => client.query("SELECT current_setting('app.tenant', true)");
  await expect(tenant()).rejects.toThrow();
  await expect(tenant()).rejects.toThrow('Client has encountered a connection error and is not queryable');
  client.release();
});

test('a procedure that committed before it failed counts as a write', async () => {
  const pool = open({ replicaManager: { consistency: 'read-your-writes' } });
  const [replicaServer] = postgres.replicas;
  await postgres.caughtUp();
  await replicaServer?.query('SELECT pg_wal_replay_pause()');
  try {
    const { rows } = await pool.query('SELECT count(*)::int AS count FROM orders');
    expect(await codeOf(pool.query('CALL half()'))).toBe('P0001');
    expect((await pool.query('SELECT count(*)::int AS count FROM orders')).rows).toEqual([
      { count: rows[0].count + 1 },
    ]);
  } finally {
    await replicaServer?.query('SELECT pg_wal_replay_resume()');
  }
});

// The loss of a replica is not told as such: the caller's word sends the function to the primary, where it dies after it has counted.
test.each([
  ['by an option', { text: 'SELECT count_and_die()', route: 'replica' }],
  ['by a hint', { text: '/* rpg: replica */ SELECT count_and_die()' }],
] as const)(
  'what a caller calls a read %s is not sent again after it may have run on the primary',
  async (_, config) => {
    const pool = open();
    const [replicaServer] = postgres.replicas;
    const calls = async () =>
      Number((await postgres.primary.query('SELECT last_value FROM calls')).rows[0].last_value);
    await replicaServer?.stop();
    try {
      const before = await calls();
      await pool.query({ text: serverSql }).catch(() => {});
      const failed = await codeOf(pool.query(config));
      expect([failed, (await calls()) - before]).toEqual(['RPG_OUTCOME_UNKNOWN', 1]);
    } finally {
      await replicaServer?.start();
    }
  },
);

test.each([
  ['by an option', { text: 'SELECT add_order()', route: 'replica' }],
  ['by a hint', { text: '/* rpg: replica */ SELECT add_order()' }],
] as const)(
  'what a caller calls a read %s, and ran on the primary, is seen by later reads',
  async (_, config) => {
    const [replicaServer] = postgres.replicas;
    if (replicaServer === undefined) throw new Error('there is a replica');
    await using proxy = await FrozenProxy.start(replicaServer.port);
    const replicas = [{ name: replica, host: '127.0.0.1', port: proxy.port }];
    const pool = open({ replicaManager: { replicas, consistency: 'read-your-writes' } });
    const count = async () =>
      (await pool.query('SELECT count(*)::int AS count FROM orders')).rows[0]?.count as number;
    await postgres.caughtUp();
    const before = await count();
    await expect.poll(() => pool.status().replicas[0]?.observed?.kind).toBe('answered');
    await replicaServer.query('SELECT pg_wal_replay_pause()');
    try {
      await proxy.refuse();
      await pool.query(config);
      await proxy.accept();
      await expect.poll(() => pool.status().replicas[0]?.verdict.kind, { timeout: 10_000 }).toBe('serving');
      expect(await count()).toBe(before + 1);
    } finally {
      await replicaServer.query('SELECT pg_wal_replay_resume()');
    }
  },
);

test('with the catalog a function of ours that only reads goes to the replica, and one that writes does not', async () => {
  await postgres.primary.query(`
    CREATE FUNCTION server() RETURNS text STABLE LANGUAGE sql AS $$ ${serverSql} $$;
    CREATE FUNCTION writing_server() RETURNS text VOLATILE LANGUAGE sql AS $$ ${serverSql} $$`);
  await postgres.caughtUp();
  const pool = open({ replicaManager: { useCatalog: true } });
  const server = async (name: string) => (await pool.query(`SELECT ${name}() AS server`)).rows[0]?.server;

  await expect.poll(() => server('server'), { timeout: 20_000 }).toBe(replica);
  expect(await server('writing_server')).toBe('orders-1');
});
