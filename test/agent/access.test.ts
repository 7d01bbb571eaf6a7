// Who may log in to an instance, as whom and how, and what is never told to anybody.

import { writeFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withSession } from '../../src/agent/localConnection.ts';
import { type AgentTopology, agentTopology, passwords } from '../fixtures/agentTopology.ts';
import { becomePostgresUser } from '../fixtures/postgresUser.ts';
import { until } from '../fixtures/temporaryPostgres.ts';

const waiting = { timeout: 30_000, interval: 100 };
let topology: AgentTopology;

beforeAll(async () => {
  await becomePostgresUser();
  topology = await agentTopology({ instances: 1 });
  await topology.instance(1).start().runsAs('primary', 60_000);
  await until('the roles are there', () => topology.instance(1).said(/^roles, passwords and database/));
}, 300_000);
afterAll(() => topology[Symbol.asyncDispose](), 60_000);

test('the application logs in with its password over TLS, and not without TLS', async () => {
  const login = (ssl: pg.ClientConfig['ssl']) =>
    connect({ user: 'app', password: passwords.app, database: 'app', ssl });
  expect(await login({ ca: topology.authority.ca, checkServerIdentity: () => undefined })).toBe('app');
  expect(await login(false)).toMatch(/pg_hba.conf rejects connection|no encryption/);
});

test('monitoring logs in by its certificate, and nobody comes in as it with another', async () => {
  const monitor = await topology.authority.issue('replica_manager_monitor');
  const other = await topology.authority.issue('replica_manager_replication');
  const ssl = { ca: topology.authority.ca, checkServerIdentity: () => undefined };
  const as = { user: 'replica_manager_monitor', database: 'postgres' };
  expect(await connect({ ...as, ssl: { ...ssl, ...monitor } })).toBe('replica_manager_monitor');
  expect(await connect({ ...as, ssl: { ...ssl, ...other } })).toMatch(/certificate authentication failed/);
});

test('the poolers learn the verifier of the application, and never one of a superuser or of the product', async () => {
  const ask = async (name: string) => {
    const client = await poolerClient();
    try {
      return (await client.query('select username, verifier from replica_manager.user_lookup($1)', [name]))
        .rows;
    } finally {
      await client.end();
    }
  };
  expect(await ask('app')).toEqual([
    { username: 'app', verifier: expect.stringMatching(/^SCRAM-SHA-256\$4096:/) },
  ]);
  expect(await ask('postgres')).toEqual([]);
  expect(await ask('replica_manager_pooler')).toEqual([]);
  await expect(
    topology.instance(1).query("set role app; select * from replica_manager.user_lookup('app')"),
  ).rejects.toThrow(/permission denied/);
});

test('a password that changes in its secret is the password soon after', { timeout: 60_000 }, async () => {
  const { secretsDir } = topology.instance(1).settings.places;
  await writeFile(`${secretsDir}/app/password`, 'changed-secret-of-the-app');
  const ssl = { ca: topology.authority.ca, checkServerIdentity: () => undefined };
  const login = (password: string) => connect({ user: 'app', password, database: 'app', ssl });
  await expect.poll(() => login('changed-secret-of-the-app'), waiting).toBe('app');
  expect(await login(passwords.app)).toMatch(/password authentication failed/);
});

test("the agent's own session writes and never waits long for a lock, whatever was set for the superuser", async () => {
  const first = topology.instance(1);
  await first.query(
    'alter role postgres set default_transaction_read_only = on; alter role postgres set lock_timeout = 0',
  );
  const shown = await withSession(first.settings, {}, async (query) => {
    const ask = async (name: string) => (await query(`show ${name}`)).rows[0]?.[name];
    const values = [await ask('lock_timeout'), await ask('default_transaction_read_only')];
    await query('alter role postgres reset all');
    return values;
  });
  expect(shown).toEqual(['1s', 'off']);
});

test('no password and no verifier was logged', async () => {
  await topology
    .instance(1)
    .query(`alter role app password 'x-secret-x' nonsense`)
    .catch(() => {});
  await until('the failure is in the log', () => topology.instance(1).said(/unrecognized role option/));
  const everything = JSON.stringify(topology.instance(1).log);
  for (const secret of [
    ...Object.values(passwords),
    'changed-secret-of-the-app',
    'x-secret-x',
    'SCRAM-SHA-256$',
  ]) {
    expect(everything).not.toContain(secret);
  }
});

/** Who we are after a login over TCP, or why there was none. */
async function connect(config: pg.ClientConfig): Promise<string> {
  const client = new pg.Client({
    host: '127.0.0.11',
    port: topology.port,
    connectionTimeoutMillis: 5_000,
    ...config,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query('select current_user::text as name');
    return rows[0].name;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await client.end().catch(() => {});
  }
}

async function poolerClient(): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.11',
    port: topology.port,
    user: 'replica_manager_pooler',
    password: passwords.pooler,
    database: 'postgres',
    ssl: { ca: topology.authority.ca, checkServerIdentity: () => undefined },
  });
  await client.connect();
  return client;
}
