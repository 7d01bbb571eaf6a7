// Text of users that finds its way into a comment does not choose the server, and no hint sends a write to a replica.

import { expect, test } from 'vitest';
import { routedPool } from '../../fixtures/poolKinds.ts';
import { startTemporaryPostgres } from '../../fixtures/temporaryPostgres.ts';

test('a hint counts in front of the statement only, alone in its comment, and never makes a read of a write', async () => {
  await using postgres = await startTemporaryPostgres({ replicas: 1 });
  await postgres.primary.query('CREATE TABLE notes (n int)');
  await postgres.primary.query(`
    CREATE FUNCTION note() RETURNS text LANGUAGE sql
    AS $$ INSERT INTO notes VALUES (1); SELECT current_setting('cluster_name') $$`);
  await postgres.caughtUp();
  await using pool = routedPool(postgres, { replicaManager: { consistency: 'eventual' } });
  const server = `current_setting('cluster_name') AS server`;
  const statements: readonly (readonly [sql: string, server: string])[] = [
    [`SELECT ${server}`, 'orders-2'],
    [`/* rpg: primary */ SELECT ${server}`, 'orders-1'],
    // As tracing adds it, with something that a user has typed.
    [`SELECT ${server} /* rpg: primary */`, 'orders-2'],
    [`/* action='rpg: primary' */ SELECT ${server}`, 'orders-2'],
    [`SELECT ${server}, '/* rpg: primary */'`, 'orders-2'],
    // What writes stays on the primary, whatever is said.
    ['SELECT note() AS server /* rpg: replica */', 'orders-1'],
    [`/* action='*/ SELECT note() AS server -- rpg: replica`, 'orders-1'],
    [`/* rpg: replica */ INSERT INTO notes VALUES (1) RETURNING ${server}`, 'orders-1'],
    [`/* rpg: replica */ SELECT ${server} FROM (SELECT 1) one FOR UPDATE`, 'orders-1'],
  ];
  const found: unknown[] = [];
  for (const [sql] of statements) found.push([sql, (await pool.query(sql)).rows[0]?.server]);
  expect(found).toEqual(statements);
  expect(pool.status().counters).toMatchObject({ retries: 0, learned: 0 });
}, 60_000);
