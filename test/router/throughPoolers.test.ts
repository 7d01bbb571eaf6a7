// Clients of `pg` and ours log in through our two PgBouncers, whose settings at login are those of the cluster.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool, type PoolConfig } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pgbouncerIni } from '../../src/pooler/pgbouncerIni.ts';
import { createReplicaManager, RoutedPool, staticSource } from '../../src/router/index.ts';
import { freePort } from '../fixtures/freePort.ts';
import { pgbouncerProgram } from '../fixtures/pgbouncerProgram.ts';
import { becomePostgresUser } from '../fixtures/postgresUser.ts';
import { startProgram } from '../fixtures/runningProgram.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';
import { topologyConfig } from '../pooler/topologyConfig.ts';

let postgres: TemporaryPostgres;
let ports: Readonly<Record<'rw' | 'ro', number>>;
const cleaning: (() => unknown)[] = [];

beforeAll(async () => {
  await pgbouncerProgram();
  await becomePostgresUser();
  postgres = await startTemporaryPostgres({ replicas: 1 });
  cleaning.push(() => postgres[Symbol.asyncDispose]());
  ports = { rw: await startPooler('rw', postgres.primary.port), ro: await startPooler('ro', replica().port) };
}, 120_000);
afterAll(async () => {
  for (const clean of cleaning.toReversed()) await clean();
});

function replica() {
  const [found] = postgres.replicas;
  if (found === undefined) throw new Error('a replica is needed');
  return found;
}

/** As in the cluster, but without TLS, and with passwords from a file. */
async function startPooler(kind: 'rw' | 'ro', port: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'replica-manager-poolers-'));
  cleaning.push(() => rmSync(folder, { recursive: true }));
  const listenPort = await freePort();
  const settings = { listenAddress: '127.0.0.1', listenPort, runDir: folder, tlsDir: folder };
  const ini = pgbouncerIni(kind, topologyConfig().pooler, { hosts: ['127.0.0.1'], port }, settings)
    .replaceAll(/^(auth_type|auth_user|auth_dbname|auth_query|client_tls|server_tls).*\n/gm, '')
    .concat('auth_type = trust\n');
  writeFileSync(join(folder, 'users.txt'), `"${postgres.user}" "${postgres.password}"\n`);
  writeFileSync(join(folder, 'pgbouncer.ini'), ini);
  const args = [join(folder, 'pgbouncer.ini')];
  const running = startProgram(await pgbouncerProgram(), args, { PATH: process.env['PATH'] ?? '' });
  cleaning.push(() => running[Symbol.asyncDispose]());
  const isUp = () => ask(new Pool(login(listenPort))).then(Boolean, () => false);
  await until(`the ${kind} pooler answers`, isUp);
  return listenPort;
}

const login = (port: number): PoolConfig => {
  return { host: '127.0.0.1', port, user: postgres.user, password: postgres.password, database: 'postgres' };
};

/** Who answers, and as whom the client is known there. */
async function ask(pool: Pool): Promise<unknown> {
  try {
    const sql = `SELECT current_setting('cluster_name') AS server, current_setting('application_name') AS client`;
    return (await pool.query(sql)).rows[0];
  } finally {
    await pool.end();
  }
}

/** What `pg` may send at login that PgBouncer takes, or that is kept on our side. */
const taken: readonly PoolConfig[] = [
  {},
  { application_name: 'orders-app' },
  { fallback_application_name: 'orders-app' },
  { client_encoding: 'utf8' },
  { query_timeout: 5_000 },
  { keepAlive: true, connectionTimeoutMillis: 5_000 },
];

test.each(taken)('pg and RoutedPool log in through both with %o', async (config) => {
  for (const [kind, server] of [
    ['rw', 'orders-1'],
    ['ro', 'orders-2'],
  ] as const) {
    const client = config.application_name ?? config.fallback_application_name ?? expect.any(String);
    const all = { ...login(ports[kind]), ...config };
    expect(await ask(new Pool(all))).toEqual({ server, client });
    expect(
      await ask(new RoutedPool({ ...all, replicaManager: { replicas: [], behindPooler: true } })),
    ).toEqual({
      server,
      client,
    });
  }
});

test.each(['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'] as const)(
  '%s is refused by name rather than forgotten, because no pooler keeps it for one client',
  async (name) => {
    const refused = ask(new Pool({ ...login(ports.rw), [name]: 5_000 }));
    await expect(refused).rejects.toThrow(`unsupported startup parameter: ${name}`);
  },
);

test('a search_path in the options is refused by name', async () => {
  const refused = ask(new Pool({ ...login(ports.rw), options: '-c search_path=shop' }));
  await expect(refused).rejects.toThrow(/unsupported startup parameter.*search_path/);
});

test('behind a pooler RoutedPool keeps the statement_timeout itself and stops the statement', async () => {
  await using pool = new RoutedPool({
    ...login(ports.rw),
    statement_timeout: 300,
    replicaManager: { replicas: [{ host: '127.0.0.1', port: ports.ro }], behindPooler: true },
  });
  await expect(pool.query('SELECT pg_sleep(30), pg_notify($1, $1)', ['x'])).rejects.toMatchObject({
    code: 'RPG_OUTCOME_UNKNOWN',
  });
  await until('it is stopped', async () => {
    const sql = `SELECT state FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(30)%'`;
    return (await postgres.primary.query(sql)).rows.every(({ state }) => state !== 'active');
  });
});

test('a replica manager reads and writes through both, and its probes are answered', async () => {
  const { user: username, password } = postgres;
  const credentials = { username, password, database: 'postgres' };
  const primary = { host: '127.0.0.1', port: ports.rw, credentials };
  const replicas = [{ host: '127.0.0.1', port: ports.ro }];
  await using manager = createReplicaManager({
    tls: 'off',
    behindPooler: true,
    sources: [staticSource({ primary, replicas })],
  });
  const serverOf = async (type: string) =>
    (await manager.routeQuery(type, `SELECT current_setting('cluster_name') AS server`)).rows;
  expect([await serverOf('SELECT'), await serverOf('UPDATE')]).toEqual([
    [{ server: 'orders-2' }],
    [{ server: 'orders-1' }],
  ]);
  await until('both have been probed', () => {
    const { primary: first, replicas: others } = manager.status();
    return first?.observed?.kind === 'answered' && others[0]?.observed?.kind === 'answered';
  });
});
