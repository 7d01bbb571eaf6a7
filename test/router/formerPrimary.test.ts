// A primary behind PgBouncer that dies and is started again as it was, after its replica has been promoted. PgBouncer keeps statements
// for a server that is away, and sends them to it when it is back.

import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RoutedPool } from '../../src/router/index.ts';
import { loginTo } from '../fixtures/poolKinds.ts';
import { becomePostgresUser } from '../fixtures/postgresUser.ts';
import { TemporaryPgbouncer } from '../fixtures/temporaryPgbouncer.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;

beforeAll(async () => {
  await becomePostgresUser();
  postgres = await startTemporaryPostgres({ replicas: 1 });
  await postgres.primary.query('CREATE TABLE orders (id int PRIMARY KEY)');
  await postgres.caughtUp();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

function startBouncer({ port }: { readonly port: number }): Promise<TemporaryPgbouncer> {
  const { user, password } = postgres;
  return TemporaryPgbouncer.start({ port, user, password, settings: { query_wait_timeout: 30 } });
}

test('a write that a pooler has queued for the former primary is given up when another one is found, and never done', async () => {
  const { primary, replicas } = postgres;
  const [replica] = replicas;
  if (replica === undefined) throw new Error('there is a replica');
  await using readWrite = await startBouncer(primary);
  await using readOnly = await startBouncer(replica);
  await using pool = new RoutedPool({
    ...loginTo(postgres),
    port: readWrite.port,
    replicaManager: { replicas: [{ name: 'replica', host: readOnly.host, port: readOnly.port }] },
  });
  await pool.query('INSERT INTO orders VALUES (0)');
  await postgres.caughtUp();
  const isAsked = () => pool.status().replicas[0]?.observed?.kind === 'answered';
  await until('the replica has been asked', isAsked);

  await primary.stop();
  const queued = Array.from({ length: 3 }, async (_, index) => {
    const settled = await pool.query('INSERT INTO orders VALUES ($1)', [index + 1]).catch((it) => it);
    return settled.code ?? settled.command;
  });
  await replica.promote();
  await until('it is found', () => pool.status().primary?.name === 'replica');
  const started = performance.now();
  const codes = await Promise.all(queued);
  expect(performance.now() - started).toBeLessThan(1_000);
  expect(codes).toContain('RPG_OUTCOME_UNKNOWN');
  await pool.query('INSERT INTO orders VALUES (10)');

  await primary.start();
  // Who was queued comes before.
  await until('the pooler leads to the former primary', () => asks(readWrite));
  expect((await primary.query('SELECT id FROM orders')).rows).toEqual([{ id: 0 }]);
  await pool.query('INSERT INTO orders VALUES (11)');
  const { rows } = await replica.query('SELECT id FROM orders WHERE id >= 10 ORDER BY id');
  expect(rows).toEqual([{ id: 10 }, { id: 11 }]);
});

async function asks({ port }: TemporaryPgbouncer): Promise<boolean> {
  const client = new Client({ ...loginTo(postgres), port });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query('SELECT 1')).rows.length === 1;
  } catch {
    return false;
  } finally {
    await client.end();
  }
}
