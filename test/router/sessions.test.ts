// Where the statements of clients and transactions run, and what is said when their connection is lost.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RoutedPool, RoutedPoolConfig } from '../../src/router/index.ts';
import { routedPool } from '../fixtures/poolKinds.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

const serverSql = `SELECT current_setting('cluster_name') AS server`;
const primary = 'orders-1';
const replica = 'orders-2';

let postgres: TemporaryPostgres;
const opened: RoutedPool[] = [];

beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 1 });
  await postgres.primary.query('CREATE TABLE orders (id int PRIMARY KEY)');
  await postgres.caughtUp();
}, 60_000);
afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => pool.end()));
  if (!postgres.primary.isRunning) await postgres.primary.start();
});
afterAll(() => postgres[Symbol.asyncDispose]());

function open(config: RoutedPoolConfig = {}): RoutedPool {
  const pool = routedPool(postgres, {
    ...config,
    replicaManager: { consistency: 'eventual', ...config.replicaManager },
  });
  opened.push(pool);
  return pool;
}

interface Asker {
  query(sql: string): Promise<{ rows: { server: string }[] }>;
}
const serverOf = async (on: Asker, sql = serverSql) => (await on.query(sql)).rows[0]?.server;

test('reads of a pool and of a client go to the replica, what writes or locks to the primary', async () => {
  const pool = open();
  expect(await serverOf(pool)).toBe(replica);
  expect(await serverOf(pool, `WITH w AS (INSERT INTO orders VALUES (1) RETURNING id) ${serverSql}`)).toBe(
    primary,
  );
  expect(await serverOf(pool, `${serverSql} FROM orders WHERE id = 1 FOR UPDATE`)).toBe(primary);
  const client = await pool.connect();
  expect(await serverOf(client)).toBe(replica);
  await client.query('INSERT INTO orders VALUES (2)');
  expect(await serverOf(client)).toBe(replica);
  client.release();
});

test('a caller says per query where it runs, but never sends a write to a replica', async () => {
  const pool = open();
  await postgres.primary.query(
    `CREATE OR REPLACE FUNCTION server() RETURNS text STABLE LANGUAGE sql AS $$ ${serverSql} $$`,
  );
  await postgres.caughtUp();
  const server = async (route: 'primary' | 'replica' | undefined, text = 'SELECT server() AS server') =>
    (await pool.query<{ server: string }>({ text, route })).rows[0]?.server;
  expect([await server(undefined), await server('replica'), await server('primary', serverSql)]).toEqual([
    primary,
    replica,
    primary,
  ]);
  expect(await server('replica', `${serverSql} FROM nextval('orders_seq')`).catch(({ code }) => code)).toBe(
    '42P01',
  );
  expect((await pool.query({ text: serverSql, consistency: 'strong' })).rows).toEqual([{ server: primary }]);
});

describe('a client', () => {
  test.each([
    ['BEGIN', primary],
    ['START TRANSACTION', primary],
    ['BEGIN READ ONLY', replica],
    ['START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY', replica],
    ['BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY', primary],
    ['BEGIN READ WRITE', primary],
  ])('after %s is on %s until the end of the transaction', async (begin, server) => {
    const client = await open().connect();
    await client.query(begin);
    expect([await serverOf(client), await serverOf(client)]).toEqual([server, server]);
    await client.query('COMMIT');
    expect(await serverOf(client)).toBe(replica);
    client.release();
  });

  test('in a transaction that failed stays where it is until ROLLBACK', async () => {
    const client = await open().connect();
    await client.query('BEGIN');
    await expect(client.query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
    await expect(client.query(serverSql)).rejects.toMatchObject({ code: '25P02' });
    expect((await client.query('COMMIT')).command).toBe('ROLLBACK');
    expect(await serverOf(client)).toBe(replica);
    client.release();
  });

  test('cannot write in a read-only transaction, wherever that runs', async () => {
    const client = await open().connect();
    await client.query('BEGIN READ ONLY');
    await expect(client.query('INSERT INTO orders VALUES (3)')).rejects.toMatchObject({ code: '25006' });
    await client.query('ROLLBACK');
    client.release();
  });

  test.each([
    [`SET search_path = public, extras`, 'SHOW search_path', { search_path: 'public, extras' }],
    ['CREATE TEMP TABLE mine AS SELECT 7 AS n', 'SELECT n FROM mine', { n: 7 }],
    ['PREPARE seven AS SELECT 7 AS n', 'EXECUTE seven', { n: 7 }],
    [`SELECT set_config('my.key', 'value', false)`, `SELECT current_setting('my.key') AS v`, { v: 'value' }],
    [
      'SELECT pg_advisory_lock(1)',
      `SELECT count(*)::int AS held FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`,
      { held: 1 },
    ],
  ])('after %s stays on its connection to the primary', async (sql, read, row) => {
    const client = await open().connect();
    await client.query(sql);
    expect((await client.query(read)).rows).toEqual([row]);
    expect(await serverOf(client)).toBe(primary);
    client.release();
  });

  test('keeps its connection to the primary, also without a transaction', async () => {
    const pool = open();
    await pool.query('CREATE SEQUENCE numbers');
    const client = await pool.connect();
    await client.query(`SELECT nextval('numbers')`);
    await Promise.all([pool.query(`SELECT nextval('numbers')`), pool.query(`SELECT nextval('numbers')`)]);
    expect((await client.query(`SELECT currval('numbers')::int AS n`)).rows).toEqual([{ n: 1 }]);
    client.release();
  });
});

describe('transaction()', () => {
  test('commits what the function did, and gives what it gives', async () => {
    const pool = open();
    const server = await pool.transaction(async (client) => {
      await client.query('INSERT INTO orders VALUES (20)');
      return serverOf(client);
    });
    expect(server).toBe(primary);
    expect((await postgres.primary.query('SELECT id FROM orders WHERE id = 20')).rows).toEqual([{ id: 20 }]);
  });

  test('rolls back when the function throws', async () => {
    const pool = open();
    const failing = pool.transaction(async (client) => {
      await client.query('INSERT INTO orders VALUES (21)');
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect((await postgres.primary.query('SELECT id FROM orders WHERE id = 21')).rows).toEqual([]);
    expect(pool.idleCount).toBe(pool.totalCount);
  });

  test.each([
    [{ readOnly: true }, replica, 'read committed'],
    [{ readOnly: true, isolation: 'repeatable read' as const }, replica, 'repeatable read'],
    [{ readOnly: true, isolation: 'serializable' as const }, primary, 'serializable'],
    [{ isolation: 'serializable' as const }, primary, 'serializable'],
  ])('with %o runs on %s', async (options, server, isolation) => {
    const found = await open().transaction(async (client) => {
      const { rows } = await client.query(
        `${serverSql}, current_setting('transaction_isolation') AS isolation`,
      );
      return rows[0];
    }, options);
    expect(found).toEqual({ server, isolation });
  });

  test('says when the server rolled back although the function returned', async () => {
    const swallowing = open().transaction(async (client) => {
      await client.query('SELECT 1/0').catch(() => {});
    });
    await expect(swallowing).rejects.toMatchObject({ code: 'RPG_TRANSACTION_ABORTED', isRetryable: true });
  });

  test('refuses an isolation that there is not', async () => {
    await expect(open().transaction(async () => {}, { isolation: '; DROP' as never })).rejects.toMatchObject({
      code: 'RPG_CONFIG_INVALID',
    });
  });
});

test('a statement that would change the role of a server is refused, unless it is allowed', async () => {
  const pool = open();
  await expect(pool.query('SELECT pg_promote()')).rejects.toMatchObject({
    code: 'RPG_STATEMENT_DENIED',
    isRetryable: false,
    message: expect.stringContaining('denied-function'),
  });
  expect(pool.status().counters.denied).toBe(1);
  const allowing = open({ replicaManager: { classification: { allowDenied: ['pg_wal_replay_pause'] } } });
  // The primary says that it is not in recovery: it has been asked.
  await expect(allowing.query('SELECT pg_wal_replay_pause()')).rejects.toMatchObject({ code: '55000' });
});

test('what a replica refuses runs on the primary, and is not sent to a replica again', async () => {
  const pool = open({ replicaManager: { classification: { allowFunctions: ['note'] } } });
  await postgres.primary.query('CREATE TABLE notes (n int)');
  await postgres.primary.query(
    `CREATE FUNCTION note() RETURNS text LANGUAGE sql AS $$ INSERT INTO notes VALUES (1); ${serverSql} $$`,
  );
  await postgres.caughtUp();
  const sql = 'SELECT note() AS server';
  expect([await serverOf(pool, sql), await serverOf(pool, sql)]).toEqual([primary, primary]);
  expect((await postgres.primary.query('SELECT count(*)::int AS n FROM notes')).rows).toEqual([{ n: 2 }]);
  expect(pool.status().counters).toMatchObject({ learned: 1, retries: 1 });
});

test('a table that has not reached the replica yet is read on the primary', async () => {
  const pool = open();
  const [server] = postgres.replicas;
  await server?.query('SELECT pg_wal_replay_pause()');
  try {
    await pool.query('CREATE TABLE fresh AS SELECT 7 AS n');
    expect((await pool.query('SELECT n FROM fresh')).rows).toEqual([{ n: 7 }]);
    expect(pool.status().counters).toMatchObject({ learned: 0, fallbacks: 1 });
  } finally {
    await server?.query('SELECT pg_wal_replay_resume()');
  }
});

describe('a timeout', () => {
  // The types of pg do not know the option.
  const hurried = (text: string) => ({ text, query_timeout: 200 });
  const running = async (text: string) => {
    const asked = await Promise.all(
      [postgres.primary, ...postgres.replicas].map((server) =>
        server.query(`SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = $1`, [text]),
      ),
    );
    return asked.flatMap(({ rows }) => rows).length;
  };

  test.each([
    [
      'of the pool, for a read',
      { query_timeout: 200 },
      'SELECT pg_sleep(20)',
      { message: 'Query read timeout' },
    ],
    [
      'of the pool, for a write',
      { query_timeout: 200 },
      'CREATE TABLE slow AS SELECT 1 AS n FROM pg_sleep(20)',
      { code: 'RPG_OUTCOME_UNKNOWN', cause: { message: 'Query read timeout' } },
    ],
  ])('%s stops the statement on the server', async (_, config, text, error) => {
    const pool = open(config);
    const answer = pool.query(text).catch((it: unknown) => it);
    await until('it runs', async () => (await running(text)) === 1);
    expect(await answer).toMatchObject(error);
    await until('nothing runs any more', async () => (await running(text)) === 0, 3_000);
    expect(pool.totalCount).toBe(0);
  });

  test('of one query stops it, and its client can go on elsewhere', async () => {
    const client = await open().connect();
    const text = 'CREATE TABLE slow AS SELECT 1 AS n FROM pg_sleep(21)';
    const answer = client.query(hurried(text));
    await expect(answer).rejects.toMatchObject({ code: 'RPG_OUTCOME_UNKNOWN' });
    await until('nothing runs any more', async () => (await running(text)) === 0, 3_000);
    expect(await serverOf(client, `${serverSql} FOR UPDATE`)).toBe(primary);
    client.release();
  });

  test('inside a transaction ends it', async () => {
    const client = await open().connect();
    await client.query('BEGIN');
    const answer = client.query({
      text: 'SELECT pg_sleep(22)',
      query_timeout: 200,
    } as never) as unknown as Promise<unknown>;
    await expect(answer).rejects.toMatchObject({ code: 'RPG_TRANSACTION_LOST', isRetryable: true });
    await expect(client.query('SELECT 1')).rejects.toThrow('is not queryable');
    client.release();
  });
});

test('a primary that dies at the COMMIT leaves the outcome unknown, and nothing is sent again', async () => {
  const pool = open();
  // The constraint is checked at the COMMIT, which then waits.
  await postgres.primary.query('CREATE TABLE slow_commits (id int)');
  await postgres.primary.query(`CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$`);
  await postgres.primary.query(`CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON slow_commits
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()`);
  const committed = pool
    .transaction((client) => client.query('INSERT INTO slow_commits VALUES (1)'))
    .catch((it: unknown) => it);
  await until('it commits', async () => {
    const { rows } = await postgres.primary.query(
      `SELECT 1 FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'`,
    );
    return rows.length === 1;
  });
  await postgres.primary.stop('immediate');
  expect(await committed).toMatchObject({ code: 'RPG_OUTCOME_UNKNOWN', isRetryable: false });
});

test('a primary that dies inside a transaction has committed nothing of it', async () => {
  const pool = open();
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query('INSERT INTO orders VALUES (30)');
  await postgres.primary.stop('immediate');
  const error = await client.query('INSERT INTO orders VALUES (31)').catch((it: unknown) => it);
  expect(error).toMatchObject({ code: 'RPG_TRANSACTION_LOST', isRetryable: true });
  await expect(client.query('SELECT 1')).rejects.toThrow('is not queryable');
  client.release();
  await postgres.primary.start();
  expect((await postgres.primary.query('SELECT id FROM orders WHERE id IN (30, 31)')).rows).toEqual([]);
});
