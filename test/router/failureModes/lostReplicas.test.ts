// What becomes of reads when a replica leaves, falls silent, is slow, or throws them out.

import type { Pool, PoolClient } from 'pg';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { ProxiedTopology } from '../../fixtures/proxiedTopology.ts';
import { serverSql } from '../../fixtures/routedTopology.ts';
import { type TemporaryServer, until } from '../../fixtures/temporaryPostgres.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let topology: ProxiedTopology;

beforeAll(async () => {
  topology = await ProxiedTopology.start({ version: 17, settings: { max_standby_streaming_delay: '0' } });
  await topology.primary.query('CREATE TABLE gates (name text)');
  await topology.postgres.caughtUp();
});
afterEach(() => topology.reset());
afterAll(() => topology[Symbol.asyncDispose]());

const serverOf = async (on: Pick<Pool, 'query'>, sql = serverSql) => (await on.query(sql)).rows[0].server;

/** Stays on this server for a minute and is answered by any other at once. */
const slowOn = ({ name }: TemporaryServer) =>
  `${serverSql}, pg_sleep(CASE current_setting('cluster_name') WHEN '${name}' THEN 60 ELSE 0 END)`;

async function runsOn(server: TemporaryServer, text: string): Promise<boolean> {
  const sql = `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = $1`;
  return (await server.query(sql, [text])).rows.length > 0;
}

test('a removed replica gets no new reads, one that is under way there goes on, and when the replica dies another one answers it, once', async () => {
  const [second, third] = topology.replicas;
  const both = topology.document().replicas;
  const pool = topology.open();
  topology.publish(pool, { replicas: both.filter(({ name }) => name === second.name) });
  const text = slowOn(second);
  const underWay = serverOf(pool, text);
  await until('it runs', () => runsOn(second, text));

  topology.publish(pool, { replicas: both.filter(({ name }) => name === third.name) });
  for (let count = 0; count < 5; count += 1) expect(await serverOf(pool)).toBe(third.name);
  expect(await runsOn(second, text)).toBe(true);
  topology.proxyOf(second).reset();

  expect(await underWay).toBe(third.name);
  expect(pool.status().counters).toMatchObject({ reads: 6, retries: 1, fallbacks: 0 });
});

test('a read that stands in the way of replay is thrown out by PostgreSQL and answered elsewhere, and nobody rests for it', async () => {
  const pool = topology.open({ replicaManager: { consistency: 'eventual' } });
  await topology.primary.query(`INSERT INTO gates VALUES ('closed')`);
  await topology.postgres.caughtUp();
  const text = `${serverSql}, pg_sleep(CASE WHEN EXISTS (SELECT FROM gates) THEN 60 ELSE 0 END)`;
  const underWay = serverOf(pool, text);
  await until('it runs', async () =>
    (await Promise.all(topology.replicas.map((it) => runsOn(it, text)))).includes(true),
  );

  await topology.primary.query('DELETE FROM gates');
  await topology.primary.query('VACUUM gates');

  expect(await underWay).toMatch(/^orders-/);
  const { counters, replicas } = pool.status();
  expect(counters.retries).toBeGreaterThan(0);
  expect(replicas.map(({ verdict }) => verdict.kind)).toEqual(['serving', 'serving']);
});

test('a transaction on a replica that replay ends is lost as a whole, and may be run again', async () => {
  const pool = topology.open();
  await topology.primary.query(`INSERT INTO gates VALUES ('seen')`);
  await topology.postgres.caughtUp();
  const readTwice = async (between: () => Promise<unknown>) =>
    pool.transaction(
      async (client: PoolClient) => {
        await client.query('SELECT count(*) FROM gates');
        await between();
        return (await client.query('SELECT count(*)::int AS n FROM gates')).rows[0].n;
      },
      { readOnly: true, isolation: 'repeatable read' },
    );

  const sessions = async () => {
    const sql = `SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'`;
    const asked = await Promise.all(topology.replicas.map((it) => it.query(sql)));
    return asked.flatMap(({ rows }) => rows).length;
  };
  const failed = await readTwice(async () => {
    expect(await sessions()).toBe(1);
    await topology.primary.query('DELETE FROM gates');
    await topology.primary.query('VACUUM gates');
    await until('replay has ended it', async () => (await sessions()) === 0);
  }).catch((it: unknown) => it);

  expect(failed).toMatchObject({ code: 'RPG_TRANSACTION_LOST', isRetryable: true });
  await topology.postgres.caughtUp();
  expect(await readTwice(async () => {})).toBe(0);
});

test('a column that has not reached the replica yet is read on the primary, and the replica goes on serving', async () => {
  const pool = topology.open({ replicaManager: { consistency: 'eventual' } });
  for (const replica of topology.replicas) await replica.query('SELECT pg_wal_replay_pause()');
  try {
    await topology.primary.query('CREATE TABLE late AS SELECT 7 AS n');
    await topology.primary.query('ALTER TABLE orders ADD COLUMN note text');
    expect((await pool.query('SELECT n FROM late')).rows).toEqual([{ n: 7 }]);
    expect((await pool.query('SELECT note FROM orders')).rows).toEqual([]);
    expect(pool.status().counters).toMatchObject({ fallbacks: 2, retries: 2, learned: 0 });
    expect(await serverOf(pool)).not.toBe(topology.primary.name);
  } finally {
    for (const replica of topology.replicas) await replica.query('SELECT pg_wal_replay_resume()');
  }
  await topology.postgres.caughtUp();
  await expect(pool.query('SELECT nowhere FROM orders')).rejects.toMatchObject({ code: '42703' });
});

test('reads move away from a replica that has become slow', async () => {
  const [slow] = topology.replicas;
  const pool = topology.open({ max: 4, replicaManager: { balancing: { strategy: 'peak-ewma' } } });
  for (let count = 0; count < 20; count += 1) await serverOf(pool);
  topology.proxyOf(slow).delayMs = 150;
  try {
    const servers = new Map<string, number>();
    const reader = async () => {
      for (let count = 0; count < 50; count += 1) {
        const server = await serverOf(pool);
        servers.set(server, (servers.get(server) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 8 }, reader));
    expect(servers.get(slow.name) ?? 0).toBeLessThan(40);
    expect(servers.has(topology.primary.name)).toBe(false);
  } finally {
    topology.proxyOf(slow).delayMs = 0;
  }
});
