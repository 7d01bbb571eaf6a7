// A statement whose time is up is stopped on the server also where a pooler stands between.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RoutedPool } from '../../src/router/index.ts';
import { freePort } from '../fixtures/freePort.ts';
import { pgbouncerProgram } from '../fixtures/pgbouncerProgram.ts';
import { loginTo } from '../fixtures/poolKinds.ts';
import { becomePostgresUser } from '../fixtures/postgresUser.ts';
import { startProgram } from '../fixtures/runningProgram.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

async function startBouncer({ primary, user, password }: TemporaryPostgres) {
  const [folder, port] = [mkdtempSync(join(tmpdir(), 'replica-manager-cancel-')), await freePort()];
  const file = join(folder, 'pgbouncer.ini');
  const users = join(folder, 'users.txt');
  writeFileSync(users, `"${user}" "${password}"\n`);
  const lines = [
    '[databases]',
    `* = host=${primary.host} port=${primary.port} user=${user}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = trust',
    `auth_file = ${users}`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const running = startProgram(await pgbouncerProgram(), [file], { PATH: process.env['PATH'] ?? '' });
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      await running[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

test('a statement behind PgBouncer is stopped when its time is up', async () => {
  await pgbouncerProgram();
  await becomePostgresUser();
  await using postgres = await startTemporaryPostgres({ replicas: 0 });
  await using bouncer = await startBouncer(postgres);
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
