// What could make the measured lag lie: clocks that are wrong, pools that are full, replicas that are late on purpose or follow
// another replica, servers that say nothing.

import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { backgroundClock, type Clock, systemClock } from '../../../src/lib/clock.ts';
import { currentScope, type RoutedPool, type RouterDeps, runInScope } from '../../../src/router/index.ts';
import { ProxiedTopology } from '../../fixtures/proxiedTopology.ts';
import { serverSql } from '../../fixtures/routedTopology.ts';
import { type TemporaryServer, until } from '../../fixtures/temporaryPostgres.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let topology: ProxiedTopology;

beforeAll(async () => {
  topology = await ProxiedTopology.start({ version: 17 });
});
afterEach(() => topology.reset());
afterAll(() => topology[Symbol.asyncDispose]());

const serverOf = async (pool: RoutedPool) => (await pool.query(serverSql)).rows[0].server;
const replicaIn = (pool: RoutedPool, { name }: TemporaryServer) =>
  pool.status().replicas.find((it) => it.name === name);
const verdictOn = (pool: RoutedPool, server: TemporaryServer) => replicaIn(pool, server)?.verdict.kind;
const areKnown = (pool: RoutedPool) => pool.status().replicas.every(({ lag }) => lag.seconds === 0);

async function configure(server: TemporaryServer, setting: string, value: string | null): Promise<void> {
  const change = value === null ? `RESET ${setting}` : `SET ${setting} = '${value.replaceAll("'", "''")}'`;
  await server.query(`ALTER SYSTEM ${change}`);
  await server.query('SELECT pg_reload_conf()');
}

test.each([5, -5])(
  'a clock of the application that is %d minutes off changes neither lag nor tokens',
  async (minutes) => {
    const off = (clock: Clock): Clock => ({
      ...clock,
      wallNow: () => new Date(clock.wallNow().getTime() + minutes * 60_000),
    });
    const wrong: RouterDeps = {
      clock: off(systemClock),
      backgroundClock: off(backgroundClock),
      random: () => 0,
    };
    const tokens = { balancing: { tokenKeys: ['a key of sixteen characters'] } };
    const [here, there] = [
      topology.open({ replicaManager: tokens }, wrong),
      topology.open({ replicaManager: tokens }),
    ];
    await until('the lag is known', () => areKnown(here) && areKnown(there));
    const token = await runInScope({}, async () => {
      await here.query('INSERT INTO orders VALUES ($1)', [minutes]);
      return currentScope()?.token();
    });
    const { rows } = await runInScope({ token }, () =>
      there.query('SELECT id FROM orders WHERE id = $1', [minutes]),
    );
    expect(rows).toEqual([{ id: minutes }]);
    expect(there.status().counters.ignoredTokens).toBe(0);
    expect(here.status().replicas.map(({ verdict }) => verdict.kind)).toEqual(['serving', 'serving']);
  },
);

test('while every connection of the pools is in use the lag is measured all the same', async () => {
  const pool = topology.open({ max: 1 });
  const text = 'SELECT pg_sleep(60)';
  const held = [...topology.replicas, topology.primary].map(({ name }) =>
    pool
      .query({ text: `${text} /* ${name} */`, route: name === 'orders-1' ? 'primary' : 'replica' })
      .catch(() => {}),
  );
  const busy = () =>
    [topology.primary, ...topology.replicas].map((it) =>
      it.query(`SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'`),
    );
  await until('all are in use', async () =>
    (await Promise.all(busy())).every(({ rows }) => rows.length === 1),
  );
  await topology.primary.query('INSERT INTO orders VALUES (100)');
  const { rows } = await topology.primary.query('SELECT pg_current_wal_lsn() AS lsn');
  await until('the probes have seen the write', async () => {
    const seen = pool
      .status()
      .replicas.map(({ observed }) => (observed?.kind === 'answered' ? observed.lsn : null));
    const sql = 'SELECT bool_and(coalesce(lsn >= $1::pg_lsn, false)) AS all FROM unnest($2::pg_lsn[]) lsn';
    return (await topology.primary.query(sql, [rows[0].lsn, seen])).rows[0].all;
  });
  expect(areKnown(pool)).toBe(true);
  for (const server of [topology.primary, ...topology.replicas]) {
    await server.query(
      `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND pid <> pg_backend_pid()`,
    );
  }
  await Promise.all(held);
});

test('a replica that does not answer its probes has an unknown lag, not none', async () => {
  const [silent] = topology.replicas;
  const pool = topology.open();
  await until('the lag is known', () => areKnown(pool));
  topology.proxyOf(silent).freeze();
  try {
    await until('it is unknown', () => replicaIn(pool, silent)?.lag.seconds === null);
    await until('it does not serve', () => verdictOn(pool, silent) !== 'serving');
  } finally {
    topology.proxyOf(silent).thaw();
  }
  await until('it serves again', () => verdictOn(pool, silent) === 'serving');
});

test('a replica that is late on purpose serves no reads, and serves them when it has caught up', async () => {
  const [, delayed] = topology.replicas;
  const pool = topology.open();
  await until('the lag is known', () => areKnown(pool));
  await configure(delayed, 'recovery_min_apply_delay', '1h');
  try {
    await topology.primary.query('INSERT INTO orders VALUES (200)');
    await until('it is late', () => verdictOn(pool, delayed) === 'late');
    for (let count = 0; count < 6; count += 1) expect(await serverOf(pool)).toBe('orders-2');
  } finally {
    await configure(delayed, 'recovery_min_apply_delay', null);
  }
  await until('it serves again', () => verdictOn(pool, delayed) === 'serving');
});

test('a replica of a replica serves what it has, and its lag is unknown when that one is gone', async () => {
  const [upstream, cascading] = topology.replicas;
  const before = (await cascading.query('SHOW primary_conninfo')).rows[0].primary_conninfo;
  await configure(cascading, 'primary_slot_name', '');
  await configure(cascading, 'primary_conninfo', before.replace(/port=\d+/, `port=${upstream.port}`));
  const pool = topology.open();
  try {
    await until('it follows the other replica', async () => {
      return (
        (await upstream.query(`SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'`)).rows.length ===
        1
      );
    });
    await runInScope({}, async () => {
      await pool.query('INSERT INTO orders VALUES (300)');
      await until('both show it', async () => {
        const { rows } = await pool.query(
          `${serverSql}, (SELECT count(*)::int FROM orders WHERE id = 300) AS n`,
        );
        expect(rows[0].n).toBe(1);
        return rows[0].server === cascading.name;
      });
    });
    await upstream.stop('immediate');
    await until('it has left', () => verdictOn(pool, cascading) === 'late');
    expect(replicaIn(pool, cascading)?.lag).toMatchObject({
      seconds: null,
      reason: 'has no WAL receiver that streams',
    });
  } finally {
    await configure(cascading, 'primary_conninfo', null);
    await configure(cascading, 'primary_slot_name', null);
    if (!upstream.isRunning) await upstream.start();
  }
  await until('both serve again', () =>
    pool.status().replicas.every(({ verdict }) => verdict.kind === 'serving'),
  );
});
