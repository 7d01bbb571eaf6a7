// Reads that no replica serves share the primary with writes: bounded, in order, and never for ever.

import { setImmediate as turnOfEvents } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { FallbackGate } from '../../src/router/fallbackGate.ts';
import type { ReplicaManager } from '../../src/router/index.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import {
  asReplica,
  codeOf,
  follows,
  RoutedTopology,
  serverOf,
  serverSql,
} from '../fixtures/routedTopology.ts';
import { until } from '../fixtures/temporaryPostgres.ts';

let topology: RoutedTopology;

beforeAll(async () => {
  topology = await RoutedTopology.start();
  await topology.postgres.primary.query(`
    CREATE FUNCTION wait_until_told() RETURNS void LANGUAGE sql
    AS 'SELECT pg_advisory_lock_shared(7); SELECT pg_advisory_unlock_shared(7)'`);
  await topology.postgres.caughtUp();
}, 60_000);
afterEach(() => topology.reset());
afterAll(() => topology[Symbol.asyncDispose]());

const lateReplicas = () =>
  topology.postgres.replicas.map((server) => asReplica(server, { routable: false, reason: 'lags by 42 s' }));

test('a read after a write is kept on the primary, which is no fallback; one without replicas is', async () => {
  topology.publish();
  const manager = topology.manage({ balancing: { waitBudgetMs: 0 }, healthCheckIntervalMs: 600_000 });
  await until('the replicas are known', () => manager.hasReadReplicas());
  await manager.routeQuery('INSERT', 'INSERT INTO orders VALUES (1) ON CONFLICT DO NOTHING');
  expect(await serverOf(manager)).toBe('orders-1');
  expect(manager.status().counters).toMatchObject({ fallbacks: 0, keptOnPrimary: 1 });
  const generation = topology.publish({ replicas: lateReplicas() });
  await follows(manager, generation);
  expect(await serverOf(manager)).toBe('orders-1');
  expect(manager.status().counters).toMatchObject({ fallbacks: 1, keptOnPrimary: 1 });
});

/** Reads that stay on the server until they are told to go on. */
function startReads(manager: ReplicaManager, count: number): Promise<string>[] {
  const sql = `/* rpg: replica */ ${serverSql}, wait_until_told()`;
  return Array.from({ length: count }, async () => {
    const { rows } = await manager.routeQuery<{ server: string }>('SELECT', sql);
    return rows[0]?.server ?? 'nobody';
  });
}

/** Number of reads that are on the primary and wait to be told to go on. */
async function readsOnPrimary(): Promise<number> {
  const { rows } = await topology.postgres.primary.query(
    `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
  );
  return rows.length;
}

/** Makes the reads wait; what it returns lets them go on. */
async function holdReads(): Promise<AsyncDisposable> {
  const holder = topology.manage({ poolSize: 1 });
  const holding = codeOf(holder.routeQuery('HOLD', 'SELECT pg_advisory_lock(7); SELECT pg_sleep(60)'));
  await until('the reads are held', async () => {
    const { rows } = await topology.postgres.primary.query(
      `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted`,
    );
    return rows.length === 1;
  });
  const free = async () => {
    await topology.postgres.primary.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted`,
    );
    await holding;
  };
  return { [Symbol.asyncDispose]: free };
}

test('reads that no replica serves take half of the connections to the primary, and writes go on', async () => {
  topology.publish({ replicas: lateReplicas() });
  const held = await holdReads();
  const manager = topology.manage({ poolSize: 4 });
  const reads = startReads(manager, 25);
  const codes = Promise.all(reads.map(codeOf));
  await until('two reads are on the primary', async () => (await readsOnPrimary()) === 2);

  for (let count = 0; count < 5; count += 1) expect(await serverOf(manager, 'INSERT')).toBe('orders-1');
  expect(await readsOnPrimary()).toBe(2);
  expect(manager.status().primary?.connections.waiting).toBe(0);

  await held[Symbol.asyncDispose]();
  const outcomes = await codes;
  expect(outcomes.filter((code) => code === 'answered').length).toBe(22);
  expect(outcomes.filter((code) => code === 'RPG_FALLBACK_BUSY').length).toBe(3);
});

test('balancing.fallback says how many reads the primary takes at once and per second', async () => {
  topology.publish({ replicas: lateReplicas() });
  const held = await holdReads();
  const one = topology.manage({ poolSize: 10, balancing: { fallback: { concurrent: 1 } } });
  const reads = startReads(one, 3);
  await until('one read is on the primary', async () => (await readsOnPrimary()) === 1);
  expect(one.status().counters.fallbacks).toBe(1);
  await held[Symbol.asyncDispose]();
  expect(await Promise.all(reads)).toEqual(['orders-1', 'orders-1', 'orders-1']);

  const slow = topology.manage({ connectTimeoutMs: 1_000, balancing: { fallback: { perSecond: 0.001 } } });
  expect(await serverOf(slow)).toBe('orders-1');
  expect(await codeOf(slow.routeQuery('SELECT', serverSql))).toBe('RPG_FALLBACK_BUSY');
});

test('a read waits for the primary no longer than for a connection, and may be sent again', async () => {
  topology.publish({ replicas: lateReplicas() });
  const held = await holdReads();
  const manager = topology.manage({ poolSize: 2, connectTimeoutMs: 300 });
  const [first] = startReads(manager, 1);
  await until('it is on the primary', async () => (await readsOnPrimary()) === 1);

  const error = await manager.routeQuery('SELECT', serverSql).catch((it: unknown) => it);
  expect(error).toMatchObject({ code: 'RPG_FALLBACK_BUSY', isRetryable: true });
  expect(String(error)).toMatch(/no replica of orders .*orders-2 lags by 42 s/);
  await held[Symbol.asyncDispose]();
  expect(await first).toBe('orders-1');
});

test('a read that waited for the primary goes to a replica that has come back', async () => {
  topology.publish({ replicas: lateReplicas() });
  const held = await holdReads();
  const manager = topology.manage({ poolSize: 2, consistency: 'eventual' });
  const [onPrimary] = startReads(manager, 1);
  await until('it is on the primary', async () => (await readsOnPrimary()) === 1);
  const waiting = serverOf(manager);

  await follows(manager, topology.publish());
  await held[Symbol.asyncDispose]();
  expect(await onPrimary).toBe('orders-1');
  expect(await waiting).toMatch(/orders-[23]/);
});

test('a topology of one instance reads from its primary with every connection', async () => {
  topology.publish({ replicas: [] });
  const held = await holdReads();
  const manager = topology.manage({ poolSize: 4 });
  const reads = startReads(manager, 4);
  await until('all are on the primary', async () => (await readsOnPrimary()) === 4);

  await held[Symbol.asyncDispose]();
  expect(await Promise.all(reads)).toEqual(Array.from({ length: 4 }, () => 'orders-1'));
});

test('the end is told at once to reads that wait for the primary', async () => {
  topology.publish({ replicas: lateReplicas() });
  const held = await holdReads();
  const manager = topology.manage({ poolSize: 2, connectTimeoutMs: 60_000 });
  const [first] = startReads(manager, 1);
  await until('it is on the primary', async () => (await readsOnPrimary()) === 1);
  const waiting = codeOf(manager.routeQuery('SELECT', serverSql));
  await turnOfEvents();

  const ended = manager.end();
  expect(await waiting).toBe('RPG_CLOSED');
  await held[Symbol.asyncDispose]();
  expect(await first).toBe('orders-1');
  await ended;
});

test('slots go to those who wait, in order, and nobody is let in who has given up', async () => {
  const clock = new ManualClock();
  const gate = new FallbackGate(3);
  const { signal } = new AbortController();
  const order: string[] = [];
  const enter = async (name: string, maxWaitMs = 1_000) => {
    order.push(`${name} ${(await gate.enter(maxWaitMs, clock, signal)) ? 'in' : 'late'}`);
  };
  await enter('first');
  const waiting = [enter('second', 100), enter('third'), enter('fourth')];
  await clock.pass(100);
  await waiting[0];
  for (const next of [waiting[1], waiting[2]]) {
    gate.leave();
    await next;
  }
  gate.leave();
  await enter('fifth');

  expect(order).toEqual(['first in', 'second late', 'third in', 'fourth in', 'fifth in']);
  expect(clock.sleeps).toEqual([]);
});
