// A primary whose machine falls silent, and another that is promoted: nobody says anything to those who wait for the first.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { FrozenProxy } from '../fixtures/frozenProxy.ts';
import { routedPool } from '../fixtures/poolKinds.ts';
import { startTemporaryPostgres, type TemporaryPostgres } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 1 });
  await postgres.primary.query('CREATE TABLE orders (id int PRIMARY KEY)');
  await postgres.caughtUp();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

test('writes that wait for a silent primary go to the next one as soon as it is found, and what was sent is said to be unknown', async () => {
  await using proxy = await FrozenProxy.start(postgres.primary.port);
  await using pool = routedPool(postgres, { port: proxy.port, max: 10, connectionTimeoutMillis: 30_000 });
  await pool.query('INSERT INTO orders VALUES (1)');
  const [replica] = postgres.replicas;
  proxy.freeze();
  const settled: string[] = [];
  const insert = (id: number) =>
    pool.query('INSERT INTO orders VALUES ($1)', [id]).then(
      () => settled.push(`${id} is written`),
      ({ code }: { code: string }) => settled.push(`${id} ${code}`),
    );
  // The first has the only open connection, the others open new ones.
  const writes = [2, 3, 4].map(insert);
  const client = pool.connect().then(async (it) => {
    await it.query('INSERT INTO orders VALUES (5)');
    it.release();
  });

  await replica?.promote();
  const started = performance.now();
  await Promise.all([...writes, client]);

  expect(performance.now() - started).toBeLessThan(5_000);
  expect(settled.toSorted()).toEqual(['2 RPG_OUTCOME_UNKNOWN', '3 is written', '4 is written']);
  const { rows } = await pool.query('SELECT id FROM orders WHERE id > 2 ORDER BY id');
  expect(rows).toEqual([{ id: 3 }, { id: 4 }, { id: 5 }]);
});
