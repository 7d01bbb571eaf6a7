// What becomes of writes when the primary goes without a word before: what provably did not run is sent to the next one, nothing
// else is. Real servers, and a network that falls silent.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RoutedPool } from '../../src/router/index.ts';
import { FrozenProxy } from '../fixtures/frozenProxy.ts';
import { routedPool } from '../fixtures/poolKinds.ts';
import { writeSteadily } from '../fixtures/switchover.ts';
import {
  startTemporaryPostgres,
  type TemporaryPostgres,
  type TemporaryServer,
  until,
} from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
let proxy: FrozenProxy;
let pool: RoutedPool;

beforeEach(async () => {
  postgres = await startTemporaryPostgres({ replicas: 1 });
  await postgres.primary.query('CREATE TABLE orders (id int PRIMARY KEY)');
  await postgres.primary.query('CREATE SEQUENCE runs');
  await postgres.caughtUp();
  proxy = await FrozenProxy.start(postgres.primary.port);
  pool = routedPool(postgres, { port: proxy.port, replicaManager: { failoverTimeoutMs: 15_000 } });
  await pool.query('SELECT 1');
}, 60_000);
afterEach(async () => {
  await pool.end();
  await proxy[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
});

function second(): TemporaryServer {
  const [server] = postgres.replicas;
  if (server === undefined) throw new Error('there is a replica');
  return server;
}

const insert = (id: number) => pool.query('INSERT INTO orders VALUES ($1)', [id]);
const codeOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'answered',
    ({ code }: { code: string }) => code,
  );

test.each(['fast', 'immediate'] as const)(
  'a primary that is stopped (%s) loses no acknowledged write, none runs twice, and only a lost answer is an error',
  async (mode) => {
    const writer = writeSteadily(insert);
    await until('it writes', () => writer.acknowledged.length > 20);
    await postgres.caughtUp();
    // Asynchronous replication loses what has not been sent, which is not what this is about.
    await postgres.primary.query(`ALTER SYSTEM SET synchronous_standby_names = '*'`);
    await postgres.primary.query('SELECT pg_reload_conf()');
    await until('it waits for its replica', async () => {
      const { rows } = await postgres.primary.query('SELECT sync_state FROM pg_stat_replication');
      return rows[0]?.sync_state === 'sync';
    });
    const before = writer.acknowledged.length;
    await until('it goes on', () => writer.acknowledged.length > before + 20);

    await postgres.primary.stop(mode);
    await second().promote();
    const count = writer.acknowledged.length;
    await until('it goes on', () => writer.acknowledged.length > count + 50);
    await writer.stop();

    const codes = new Set(writer.failures.map((error) => (error as { code: string }).code));
    codes.delete('RPG_OUTCOME_UNKNOWN');
    expect(codes).toEqual(new Set());
    expect(writer.failed.length).toBeLessThan(20);
    const { rows } = await second().query('SELECT id FROM orders');
    const written = new Set(rows.map(({ id }) => id as number));
    expect(writer.acknowledged.filter((id) => !written.has(id))).toEqual([]);
    const known = new Set([...writer.acknowledged, ...writer.failed]);
    expect([...written].filter((id) => !known.has(id))).toEqual([]);
  },
);

test('a transaction whose first statement meets a dead primary begins on the next one', async () => {
  await pool.transaction((client) => client.query('INSERT INTO orders VALUES (1)'));
  await postgres.caughtUp();
  await postgres.primary.stop('fast');
  const begun = pool.transaction((client) => client.query('INSERT INTO orders VALUES (2)'));
  await second().promote();
  await begun;
  expect((await second().query('SELECT id FROM orders ORDER BY id')).rows).toEqual([{ id: 1 }, { id: 2 }]);
});

test('what is under way on a primary that has fallen silent fails when another one is found, and what comes next goes there', async () => {
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query('INSERT INTO orders VALUES (1)');
  await Promise.all([insert(2), insert(3)]);
  await postgres.caughtUp();

  proxy.freeze();
  const inTransaction = codeOf(client.query('INSERT INTO orders VALUES (4)'));
  const sent = codeOf(insert(5));
  // More than there are connections: these wait for one that is never opened.
  const waiting = Array.from({ length: 12 }, (_, at) => codeOf(insert(10 + at)));
  await until('they are under way', () => pool.waitingCount > 0);
  const promotedAtMs = performance.now();
  await second().promote();

  expect(await inTransaction).toBe('RPG_TRANSACTION_LOST');
  expect(await sent).toBe('RPG_OUTCOME_UNKNOWN');
  expect(new Set(await Promise.all(waiting))).toContain('answered');
  expect(performance.now() - promotedAtMs).toBeLessThan(5_000);
  client.release(true);
  await insert(6);
  expect(pool.status().primary?.name).not.toBe('primary');
});

test('a statement whose session somebody ends is not run again', async () => {
  const slow = codeOf(pool.query(`INSERT INTO orders SELECT nextval('runs') FROM pg_sleep(30)`));
  const pid = async () => {
    const sql = `SELECT pid FROM pg_stat_activity WHERE query LIKE 'INSERT INTO orders SELECT%'`;
    return (await postgres.primary.query(sql)).rows[0]?.pid as number | undefined;
  };
  await until('it runs', async () => (await pid()) !== undefined);
  const endedAtMs = performance.now();
  await postgres.primary.query('SELECT pg_terminate_backend($1)', [await pid()]);

  expect(await slow).toBe('RPG_OUTCOME_UNKNOWN');
  expect(performance.now() - endedAtMs).toBeLessThan(3_000);
  expect(await pid()).toBeUndefined();
});

test('a commit that waits for its replica when the server stops is of unknown outcome, and is not sent again', async () => {
  await postgres.primary.query(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`);
  await postgres.primary.query('SELECT pg_reload_conf()');
  const waiting = codeOf(insert(1));
  await until('it waits', async () => {
    const { rows } = await postgres.primary.query(
      `SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'`,
    );
    return rows.length === 1;
  });
  await until(
    'the replica has it',
    async () => (await second().query('SELECT 1 FROM orders')).rows.length === 1,
  );
  await postgres.primary.stop('fast');
  await second().promote();

  expect(await waiting).toBe('RPG_OUTCOME_UNKNOWN');
  expect(await codeOf(insert(1))).toBe('23505');
});
