// What a pool notices when the primary changes, with nobody who tells it.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { RoutedPool } from '../../src/router/index.ts';
import { FrozenProxy } from '../fixtures/frozenProxy.ts';
import { loginTo, routedPool } from '../fixtures/poolKinds.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
let pool: RoutedPool;

beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 2 });
  await postgres.primary.query('CREATE TABLE orders (id int PRIMARY KEY)');
  await postgres.caughtUp();
  pool = routedPool(postgres);
}, 60_000);
afterAll(async () => {
  await pool.end();
  await postgres[Symbol.asyncDispose]();
});

test('a read sees what the pool has written before, every time', async () => {
  for (let id = 1; id <= 100; id += 1) {
    await pool.query('INSERT INTO orders VALUES ($1)', [id]);
    expect((await pool.query('SELECT count(*)::int AS n FROM orders')).rows).toEqual([{ n: id }]);
  }
  await until('replicas serve again', async () => {
    const { rows } = await pool.query(
      `SELECT count(*)::int AS n, current_setting('cluster_name') AS server FROM orders`,
    );
    expect(rows[0].n).toBe(100);
    return rows[0].server !== 'orders-1';
  });
});

test('a server that is no primary any more is told so, and its connections are let go', async () => {
  const [, standby] = postgres.replicas;
  await using demoted = new RoutedPool({ ...loginTo(postgres), port: standby?.port });
  expect((await demoted.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  const refused = await demoted.query('INSERT INTO orders VALUES (0)').catch((it: unknown) => it);
  expect(refused).toMatchObject({
    code: 'RPG_FAILOVER_IN_PROGRESS',
    isRetryable: true,
    cause: { code: '25006' },
  });
  expect(demoted.totalCount).toBe(0);
  const ownFault = pool.query({ text: 'BEGIN READ ONLY; INSERT INTO orders VALUES (0); COMMIT' });
  await expect(ownFault).rejects.toMatchObject({ code: '25006' });
});

test('however many writes are refused at once, the server is asked over one connection', async () => {
  const [, standby] = postgres.replicas;
  if (standby === undefined) throw new Error('there are two replicas');
  await using proxy = await FrozenProxy.start(standby.port);
  await using demoted = new RoutedPool({ ...loginTo(postgres), port: proxy.port, max: 2 });
  const writes = Array.from({ length: 50 }, () => demoted.query('INSERT INTO orders VALUES (0)'));
  const codes = (await Promise.allSettled(writes)).map((it) => it.status === 'rejected' && it.reason.code);
  expect(new Set(codes)).toEqual(new Set(['RPG_FAILOVER_IN_PROGRESS']));
  // Of the pool, of the one that takes its place, and one for each time that it was asked.
  expect(proxy.connectionCount).toBeLessThan(20);
});

test('a role that may not write is told so by the server, which is not asked for each statement', async () => {
  await postgres.primary.query(`
    CREATE ROLE reader LOGIN SUPERUSER PASSWORD 'reads';
    ALTER ROLE reader SET default_transaction_read_only = on`);
  await using proxy = await FrozenProxy.start(postgres.primary.port);
  await using reader = new RoutedPool({
    ...loginTo(postgres),
    port: proxy.port,
    user: 'reader',
    password: 'reads',
    max: 2,
  });
  const writes = Array.from({ length: 50 }, () => reader.query('INSERT INTO orders VALUES (0)'));
  const codes = (await Promise.allSettled(writes)).map((it) => it.status === 'rejected' && it.reason.code);
  expect(new Set(codes)).toEqual(new Set(['25006']));
  expect(proxy.connectionCount).toBeLessThan(20);
});

test('writes find the promoted replica, and what did not run is said to be retryable', async () => {
  const [replica] = postgres.replicas;
  if (replica === undefined) throw new Error('there are two replicas');
  await postgres.caughtUp();
  await postgres.primary.stop('immediate');
  const first = await pool.query('INSERT INTO orders VALUES (101)').catch((it: unknown) => it);
  expect(first).toMatchObject({ code: 'RPG_PRIMARY_UNREACHABLE', isRetryable: true });
  await replica.promote();
  await until('a write is accepted', () =>
    pool.query('INSERT INTO orders VALUES (101)').then(
      () => true,
      ({ isRetryable }: { isRetryable: boolean }) => {
        expect(isRetryable).toBe(true);
        return false;
      },
    ),
  );
  expect((await pool.query('SELECT count(*)::int AS n FROM orders')).rows).toEqual([{ n: 101 }]);
  expect(pool.status()).toMatchObject({ primary: { name: 'orders-2' } });
});

test('a process that starts with the addresses of before does not write to the former primary, which is back', async () => {
  const [promoted] = postgres.replicas;
  await postgres.primary.start();
  await using started = routedPool(postgres);
  const insert = `INSERT INTO orders SELECT 1000 + count(*) FROM orders RETURNING current_setting('cluster_name') AS server`;
  const answers = await Promise.all(Array.from({ length: 5 }, () => started.connect())).then((clients) => {
    return Promise.allSettled(clients.map((client) => client.query(insert).finally(() => client.release())));
  });
  const servers = answers
    .flatMap((it) => (it.status === 'fulfilled' ? it.value.rows : []))
    .map((it) => it.server);
  expect(new Set(servers)).toEqual(new Set([promoted?.name]));
});
