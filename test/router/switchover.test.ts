// What writers notice of a switchover: a pause. Real servers; the agents' part is played by configuration and `pg_promote`.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RoutedPool } from '../../src/router/index.ts';
import { routedPool } from '../fixtures/poolKinds.ts';
import { announce, type Writer, writeSteadily } from '../fixtures/switchover.ts';
import {
  startTemporaryPostgres,
  type TemporaryPostgres,
  type TemporaryServer,
  until,
} from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
let pool: RoutedPool;

beforeEach(async () => {
  postgres = await startTemporaryPostgres({ replicas: 2 });
  await postgres.primary.query('CREATE TABLE orders (id int PRIMARY KEY)');
  await postgres.caughtUp();
  pool = routedPool(postgres);
}, 60_000);
afterEach(async () => {
  await pool.end();
  await postgres[Symbol.asyncDispose]();
});

function target(): TemporaryServer {
  const [second] = postgres.replicas;
  if (second === undefined) throw new Error('there are two replicas');
  return second;
}

const insert = (id: number) => pool.query('INSERT INTO orders VALUES ($1)', [id]);
const isHeld = () => pool.status().switchover?.id ?? null;

/** Both write: one a statement at a time, the other a transaction. */
function writers(): readonly Writer[] {
  const transaction = (id: number) =>
    pool.transaction(async (client) => {
      await client.query('INSERT INTO orders VALUES ($1)', [id]);
      await client.query('SELECT id FROM orders WHERE id = $1', [id]);
    });
  return [writeSteadily(insert), writeSteadily(transaction, 1_000_000)];
}

async function goOn(all: readonly Writer[], more = 30): Promise<void> {
  const counts = all.map(({ acknowledged }) => acknowledged.length + more);
  await until('all go on', () =>
    all.every(({ acknowledged }, at) => acknowledged.length >= (counts[at] ?? 0)),
  );
}

const idle = async (server: TemporaryServer) => {
  const sql = `select count(*)::int as n from pg_stat_activity where backend_type = 'client backend' and state <> 'idle' and pid <> pg_backend_pid() and application_name not like '% probe'`;
  await until('what was in flight is over', async () => (await server.query(sql)).rows[0].n === 0);
};

test('an orderly switchover under load is a pause for writers, and no error', async () => {
  const all = writers();
  await goOn(all);

  await announce(postgres.primary, { id: 'a', to: 'orders-2', holdMs: 5_000 });
  await until('new writes wait', () => isHeld() === 'a');
  await idle(postgres.primary);
  await postgres.caughtUp();
  await postgres.primary.stop('fast');
  await target().promote();
  await goOn(all);
  await Promise.all(all.map((it) => it.stop()));

  expect(all.flatMap(({ failures }) => failures)).toEqual([]);
  const written = all.flatMap(({ acknowledged }) => acknowledged).toSorted((a, b) => a - b);
  const { rows } = await target().query('SELECT id FROM orders ORDER BY id');
  expect(rows.map(({ id }) => id)).toEqual(written);
  expect({ held: isHeld(), primary: pool.status().primary?.name }).toEqual({
    held: null,
    primary: 'orders-2',
  });
});

test('a switchover that is taken back is a pause', async () => {
  const all = writers();
  await goOn(all);

  await announce(postgres.primary, { id: 'b', to: 'orders-2', holdMs: 20_000 });
  await until('new writes wait', () => isHeld() === 'b');
  await idle(postgres.primary);
  await announce(postgres.primary, null);
  await goOn(all);
  await Promise.all(all.map((it) => it.stop()));

  expect(all.flatMap(({ failures }) => failures)).toEqual([]);
  expect(isHeld()).toBeNull();
});

test('writers go on when the announced time is over, and do not wait for the same announcement again', async () => {
  const all = writers();
  await goOn(all);

  await announce(postgres.primary, { id: 'c', to: 'orders-2', holdMs: 700 });
  await until('new writes wait', () => isHeld() === 'c');
  await goOn(all);
  await Promise.all(all.map((it) => it.stop()));

  expect(all.flatMap(({ failures }) => failures)).toEqual([]);
  for (const writer of all) expect(writer.longestGapMs()).toBeGreaterThan(500);
  expect(isHeld()).toBeNull();
});
