// What becomes of transactions, sessions and tokens while the primary changes, and who is written to when several say they are primary.

import type { PoolClient } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { currentScope, type RoutedPool, runInScope } from '../../../src/router/index.ts';
import { ProxiedTopology } from '../../fixtures/proxiedTopology.ts';
import { serverSql } from '../../fixtures/routedTopology.ts';
import { until } from '../../fixtures/temporaryPostgres.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let topology: ProxiedTopology;

/** A promotion cannot be undone, so each group has servers of its own, and its tests go on from each other. */
function begin(replicas: number): void {
  beforeAll(async () => {
    topology = await ProxiedTopology.start({ version: 18, replicas });
  });
  afterEach(() => topology.reset());
  afterAll(() => topology[Symbol.asyncDispose]());
}

const secondOf = () => {
  const [second] = topology.postgres.replicas;
  if (second === undefined) throw new Error('there is a replica');
  return second;
};

const insert = (on: Pick<PoolClient, 'query'>, id: number) =>
  on.query('INSERT INTO orders VALUES ($1)', [id]);
const ordersOn = async (server: { query: ProxiedTopology['primary']['query'] }) =>
  (await server.query('SELECT id FROM orders ORDER BY id')).rows.map(({ id }) => id);

/** Repeats a write that did not run until it is taken. */
async function insertAtLast(pool: RoutedPool, id: number): Promise<void> {
  await until(`order ${id} is taken`, () =>
    insert(pool as unknown as PoolClient, id).then(
      () => true,
      (error: { isRetryable?: boolean }) => {
        expect(error).toMatchObject({ isRetryable: true });
        return false;
      },
    ),
  );
}

const timelineOf = (token: string | undefined) => Number(/\.(\d+)\/[0-9a-f]+\./.exec(token ?? '')?.[1]);

describe('a failover under a transaction', () => {
  begin(1);

  test('a failover in the middle of a transaction loses all of it, nothing is sent again by itself, and the transaction can be run again', async () => {
    const second = secondOf();
    const pool = topology.open();
    const attempts: number[] = [];
    const order = () =>
      pool.transaction(async (client) => {
        attempts.push(1);
        await insert(client, 1);
        if (attempts.length === 1) {
          topology.proxyOf(topology.primary).keepResetting();
          await topology.postgres.caughtUp();
          await topology.primary.stop('fast');
          await second.promote();
        }
        await insert(client, 2);
      });
    expect(await order().catch((it: unknown) => it)).toMatchObject({
      code: 'RPG_TRANSACTION_LOST',
      isRetryable: true,
    });
    expect(attempts.length).toBe(1);
    await until('the promoted one is found', () => pool.status().primary?.name === second.name);
    await order();
    expect(await ordersOn(second)).toEqual([1, 2]);
  });

  test('a demoted primary that stays up as a standby of the promoted one is read from again, not written to', async () => {
    const second = secondOf();
    const pool = topology.open();
    topology.primary.follow(second);
    await topology.primary.start();
    topology.proxyOf(topology.primary).stopResetting();
    await insertAtLast(pool, 3);
    await until('it serves reads', async () => {
      const { rows } = await pool.query(`${serverSql}, (SELECT count(*)::int FROM orders) AS orders`);
      expect(rows[0].orders).toBe(3);
      return rows[0].server === 'orders-1';
    });
    await insert(pool as unknown as PoolClient, 4);
    expect(await ordersOn(second)).toEqual([1, 2, 3, 4]);
  });
});

describe('a promotion beside a primary that goes on', () => {
  begin(1);
  let onFormer: readonly number[] = [];
  let onPromoted: readonly number[] = [];

  test('a session that was open on a standby when that was promoted stays READ ONLY, and the pool writes there once a probe has seen its timeline', async () => {
    const second = secondOf();
    const pool = topology.open({ replicaManager: { healthCheckIntervalMs: 600_000 } });
    const session = await pool.connect();
    await session.query('BEGIN READ ONLY');
    expect((await session.query(serverSql)).rows).toEqual([{ server: second.name }]);
    await second.promote();
    await until('its session may write', async () => {
      const { rows } = await second.query(
        `SELECT pg_is_in_recovery() AS is_standby FROM pg_stat_activity WHERE state = 'idle in transaction'`,
      );
      return rows[0]?.is_standby === false;
    });

    // Nobody has looked yet, and a write makes the prober look: it is taken by the primary that is known, or by the one that is found
    // while it is on its way. Given up in its middle it may have run.
    const told = await insert(pool as unknown as PoolClient, 1).then(
      () => 'taken',
      ({ code }: { code: string }) => code,
    );
    [onFormer, onPromoted] = [await ordersOn(topology.primary), await ordersOn(second)];
    if (told === 'taken') expect([...onFormer, ...onPromoted]).toEqual([1]);
    else expect(told).toBe('RPG_OUTCOME_UNKNOWN');
    // A transaction that was begun READ ONLY stays so, and its refusal says nothing of the server.
    await expect(insert(session, 2)).rejects.toMatchObject({ code: '25006' });
    await session.query('ROLLBACK');
    session.release();
    await until('the promotion is seen', () => pool.status().primary?.name === second.name);
    expect(pool.status().primaryReason).toBe('orders-2 has been promoted to timeline 2');
    await insertAtLast(pool, 3);
    expect(await ordersOn(second)).toEqual([...onPromoted, 3]);
  });

  test('a primary that comes back from a network of its own, on the old timeline, is neither written to nor read from', async () => {
    const second = secondOf();
    const pool = topology.open();
    await until('the promotion is seen', () => pool.status().primary?.name === second.name);
    const lost = topology.proxyOf(topology.primary);
    lost.keepResetting();
    await until('it does not answer', () =>
      pool.status().replicas.some(({ name, observed }) => name === 'orders-1' && observed?.kind === 'failed'),
    );
    lost.stopResetting();
    await until('it answers again', () =>
      pool
        .status()
        .replicas.some(({ name, observed }) => name === 'orders-1' && observed?.kind === 'answered'),
    );
    for (let id = 4; id < 10; id += 1) {
      await insert(pool as unknown as PoolClient, id);
      expect((await pool.query(serverSql)).rows[0].server).not.toBe('orders-1');
    }
    expect(await ordersOn(topology.primary)).toEqual(onFormer);
    expect(await ordersOn(second)).toEqual([...onPromoted, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe('a failover that loses a write', () => {
  begin(1);

  test('a token of a write that a failover has lost is answered by the new primary, and renewed on its timeline', async () => {
    const second = secondOf();
    const tokens = { balancing: { tokenKeys: ['a key of sixteen characters'] } };
    const writing = topology.open({ replicaManager: tokens });
    // What a standby has received it replays before it is promoted, so it must not receive the write.
    await second.query(`ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'`);
    await second.query('SELECT pg_reload_conf()');
    await until('it receives nothing', async () => {
      return (await second.query('SELECT 1 FROM pg_stat_wal_receiver')).rows.length === 0;
    });
    let token: string | undefined;
    await runInScope({}, async () => {
      await insert(writing as unknown as PoolClient, 1);
      await until('there is a position', () => {
        token = currentScope()?.token();
        return token !== undefined && !token.includes('pending');
      });
    });
    expect(timelineOf(token)).toBe(1);

    await topology.primary.stop('immediate');
    await second.promote();
    const reading = topology.open({ replicaManager: tokens });
    await until('the promoted one is found', () => reading.status().primary?.name === second.name);
    const { rows, renewed } = await runInScope({ token }, async () => {
      const answer = await reading.query(`${serverSql}, (SELECT count(*)::int FROM orders) AS orders`);
      await insert(reading as unknown as PoolClient, 2);
      let renewed: string | undefined;
      await until('there is a position', () => {
        renewed = currentScope()?.token();
        return renewed !== undefined && !renewed.includes('pending');
      });
      return { rows: answer.rows, renewed };
    });
    expect(rows).toEqual([{ server: second.name, orders: 0 }]);
    expect(timelineOf(renewed)).toBe(2);
  });
});

describe('two promotions', () => {
  begin(2);

  test('of two that were both promoted to the same timeline neither is written to, and when one is gone the other is', async () => {
    const [second, third] = topology.replicas;
    const pool = topology.open();
    await topology.primary.stop('immediate');
    await Promise.all([second.promote(), third.promote()]);
    await until(
      'both say so',
      () =>
        pool.status().primaryReason === 'orders-2 and orders-3 both say that they are primary of timeline 2',
    );
    await expect(insert(pool as unknown as PoolClient, 1)).rejects.toMatchObject({
      code: 'RPG_NO_PRIMARY',
      isRetryable: true,
    });
    await third.stop('immediate');
    await insertAtLast(pool, 2);
    expect(await ordersOn(second)).toEqual([2]);
  });
});
