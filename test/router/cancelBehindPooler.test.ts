// A statement whose time is up is stopped on the server also where a pooler stands between.

import { expect, test } from 'vitest';
import { RoutedPool } from '../../src/router/index.ts';
import { pgbouncerProgram } from '../fixtures/pgbouncerProgram.ts';
import { loginTo } from '../fixtures/poolKinds.ts';
import { becomePostgresUser } from '../fixtures/postgresUser.ts';
import { TemporaryPgbouncer } from '../fixtures/temporaryPgbouncer.ts';
import { startTemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

test('a statement behind PgBouncer is stopped when its time is up', async () => {
  await pgbouncerProgram();
  await becomePostgresUser();
  await using postgres = await startTemporaryPostgres({ replicas: 0 });
  const { user, password } = postgres;
  await using bouncer = await TemporaryPgbouncer.start({ port: postgres.primary.port, user, password });
  await using pool = new RoutedPool({ ...loginTo(postgres), host: '127.0.0.1', port: bouncer.port });
  await until('the pooler answers', () =>
    pool.query('SELECT 1').then(
      () => true,
      () => false,
    ),
  );

  const slow = { text: 'SELECT pg_sleep(20)', query_timeout: 300 };
  await expect(pool.query(slow)).rejects.toThrow('Query read timeout');

  const isRunning = `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = $1`;
  await until(
    'nothing runs any more',
    async () => (await postgres.primary.query(isRunning, [slow.text])).rows.length === 0,
    3_000,
  );
}, 120_000);
