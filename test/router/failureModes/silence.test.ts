// What becomes of statements when a node is lost: nobody closes its connections, and nothing is answered any more. The clock by which
// the router watches its instances goes three times as fast as ours, for it watches for ten seconds before it gives up.

import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { backgroundClock, type Clock, systemClock } from '../../../src/lib/clock.ts';
import type { RoutedPool, RoutedPoolConfig } from '../../../src/router/index.ts';
import { ProxiedTopology } from '../../fixtures/proxiedTopology.ts';
import { serverSql } from '../../fixtures/routedTopology.ts';
import { type TemporaryServer, until } from '../../fixtures/temporaryPostgres.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let topology: ProxiedTopology;

beforeAll(async () => {
  topology = await ProxiedTopology.start({ version: 17 });
});
afterEach(async () => {
  for (const server of [topology.primary, ...topology.replicas]) topology.proxyOf(server).thaw();
  await topology.reset();
});
afterAll(() => topology[Symbol.asyncDispose]());

const hurried: Clock = {
  now: () => systemClock.now() * 3,
  wallNow: () => systemClock.wallNow(),
  sleep: (ms, signal) => backgroundClock.sleep(ms / 3, signal),
};
const open = (config: RoutedPoolConfig = {}) =>
  topology.open(config, { clock: hurried, backgroundClock: hurried, random: () => 0 });

/** Stays on this server for a minute and is answered by any other at once. */
const slowOn = ({ name }: TemporaryServer) =>
  `${serverSql}, pg_sleep(CASE current_setting('cluster_name') WHEN '${name}' THEN 60 ELSE 0 END)`;

async function runsOn(server: TemporaryServer, text: string): Promise<boolean> {
  const sql = `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = $1`;
  return (await server.query(sql, [text])).rows.length > 0;
}

const isAsked = (pool: RoutedPool) =>
  until('all are asked', () => pool.status().replicas.every(({ observed }) => observed?.kind === 'answered'));

test('reads that wait for a replica that has fallen silent are answered by another one', async () => {
  const [silent, other] = topology.replicas;
  const pool = open();
  await isAsked(pool);
  const text = slowOn(silent);
  const reads = [pool.query(text), pool.query(text)];
  await until('one runs there', () => runsOn(silent, text));
  topology.proxyOf(silent).freeze();

  for (const read of reads) expect((await read).rows[0]?.['server']).toBe(other.name);
  expect(pool.status().counters).toMatchObject({ fallbacks: 0 });
});

test('nobody has to look often, or to set a time limit, for reads to leave a replica that has fallen silent', async () => {
  const [silent, other] = topology.replicas;
  const pool = open({ max: 2, replicaManager: { healthCheckIntervalMs: 60_000, consistency: 'eventual' } });
  await isAsked(pool);
  for (let index = 0; index < 4; index += 1) await pool.query(serverSql);
  topology.proxyOf(silent).freeze();
  const startedMs = hurried.now();
  const reads = await Promise.all(Array.from({ length: 12 }, () => pool.query(serverSql)));
  // Two seconds until a read is slow, and two probes; then those that wait for a connection have nothing to wait for.
  expect(hurried.now() - startedMs).toBeLessThan(8_000);
  expect(new Set(reads.map(({ rows }) => rows[0]?.['server']))).toEqual(new Set([other.name]));
  const verdict = pool.status().replicas.find(({ name }) => name === silent.name)?.verdict;
  expect(verdict?.kind).toBe('resting');
});

test('a write that waits for a primary that has fallen silent has an unknown outcome, and one that waits for a connection may be sent again', async () => {
  const pool = open({ max: 1 });
  await isAsked(pool);
  const text = 'CREATE TABLE slow AS SELECT 1 AS n FROM pg_sleep(60)';
  const underWay = pool.query(text).catch((error: unknown) => error);
  await until('it runs', () => runsOn(topology.primary, text));
  topology.proxyOf(topology.primary).freeze();
  expect(await underWay).toMatchObject({ code: 'RPG_OUTCOME_UNKNOWN', isRetryable: false });
  const next = await pool.query('INSERT INTO orders VALUES (1)').catch((error: unknown) => error);
  expect(next).toMatchObject({ code: 'RPG_PRIMARY_UNREACHABLE', isRetryable: true });

  topology.proxyOf(topology.primary).thaw();
  // One that is under way while the pool still hangs up may have been done all the same.
  await until('writes are taken again', () =>
    pool.query('INSERT INTO orders VALUES (2) ON CONFLICT DO NOTHING').then(
      () => true,
      () => false,
    ),
  );
});

test('a transaction whose primary has fallen silent is lost', async () => {
  const pool = open();
  await isAsked(pool);
  const lost = pool.transaction(async (client) => {
    await client.query('INSERT INTO orders VALUES (3)');
    topology.proxyOf(topology.primary).freeze();
    await client.query('INSERT INTO orders VALUES (4)');
  });
  await expect(lost).rejects.toMatchObject({ code: 'RPG_TRANSACTION_LOST', isRetryable: true });
});

test('a server that answers late keeps what is under way', async () => {
  const [slow] = topology.replicas;
  const pool = open();
  await isAsked(pool);
  const text = `${serverSql}, pg_sleep(4)`;
  const reads = [pool.query(text), pool.query(text)];
  await until('one runs there', () => runsOn(slow, text));
  topology.proxyOf(slow).delayMs = 100;
  const servers = (await Promise.all(reads)).map(({ rows }) => rows[0]?.['server']);
  topology.proxyOf(slow).delayMs = 0;
  expect(new Set(servers)).toEqual(new Set(topology.replicas.map(({ name }) => name)));
  expect(pool.status().counters.retries).toBe(0);
});
