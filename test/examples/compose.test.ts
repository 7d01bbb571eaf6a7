// The Compose example without Docker: its rules as data, and its scripts run for real against PostgreSQL and PgBouncer
// processes.

import { execFile } from 'node:child_process';
import { chmodSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type EndpointsDocument, parseEndpoints } from '../../src/endpoints/index.ts';
import { createReplicaManager, type Database } from '../../src/router/index.ts';
import { readRouterEnvironment } from '../../src/router/routerEnvironment.ts';
import { freePort } from '../fixtures/freePort.ts';
import { pgbouncerProgram } from '../fixtures/pgbouncerProgram.ts';
import { postgresBinaries } from '../fixtures/postgresBinaries.ts';
import { becomePostgresUser } from '../fixtures/postgresUser.ts';
import { type RunningProgram, startProgram } from '../fixtures/runningProgram.ts';
import { startService } from '../fixtures/serviceProcess.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

const example = join(import.meta.dirname, '../../examples/compose');
const read = (name: string) => readFileSync(join(example, name), 'utf8');

interface Service {
  readonly image: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly secrets: readonly (string | { source: string; target: string })[];
  readonly healthcheck: { readonly test: readonly string[] };
  readonly networks: readonly string[] | Readonly<Record<string, unknown>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

const compose = parse(read('compose.yaml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
};
const services = Object.entries(compose.services);
const of = (pick: (service: Service) => unknown) =>
  Object.fromEntries(services.map(([name, service]) => [name, pick(service)]));

test('the services have the ports of the guide, open on this machine only', () => {
  expect(of(({ ports }) => ports)).toEqual({
    'postgres-primary': ['127.0.0.1:5432:5432'],
    'postgres-replica': ['127.0.0.1:5433:5432'],
    'pgbouncer-primary': ['127.0.0.1:6432:6432'],
    'pgbouncer-replica': ['127.0.0.1:6433:6432'],
    'replica-manager': ['127.0.0.1:4000:4000'],
  });
});

test('each waits until what it needs is healthy, and says itself when it is', () => {
  expect(
    of(({ depends_on: needs = {} }) => Object.entries(needs).map(([name, it]) => [name, it.condition])),
  ).toEqual({
    'postgres-primary': [],
    'postgres-replica': [['postgres-primary', 'service_healthy']],
    'pgbouncer-primary': [['postgres-primary', 'service_healthy']],
    'pgbouncer-replica': [['postgres-replica', 'service_healthy']],
    'replica-manager': [
      ['pgbouncer-primary', 'service_healthy'],
      ['pgbouncer-replica', 'service_healthy'],
    ],
  });
  for (const [name, { healthcheck }] of services) expect([name, healthcheck.test[0]]).toEqual([name, 'CMD']);
});

test('no password is in the file: each comes from a secret that is a file of its own and not in git', () => {
  expect(read('compose.yaml')).not.toMatch(/PASSWORD(?!_FILE)\b/);
  const used = services.flatMap(([, { secrets }]) =>
    secrets.map((it) => (typeof it === 'string' ? it : it.source)),
  );
  expect([...new Set(used)].toSorted()).toEqual(Object.keys(compose.secrets).toSorted());
  for (const { file } of Object.values(compose.secrets)) expect(file).toMatch(/^\.\/secrets\//);
  expect(read('.gitignore')).toBe('secrets/\n');
});

test('every image has a version, and every volume and network that is used is there', () => {
  for (const [, { image }] of services) expect(image).toMatch(/^(?!.*:latest)\S+:\S+$/);
  const mounted = services.flatMap(([, { volumes }]) => volumes.map((it) => it.split(':')[0] ?? ''));
  for (const volume of mounted.filter((it) => !it.startsWith('.')))
    expect(compose.volumes).toHaveProperty(volume);
  for (const path of mounted.filter((it) => it.startsWith('./'))) {
    expect(globSync(join(example, path))).toHaveLength(1);
  }
  const networks = services.flatMap(
    ([, { networks: joined }]) => (Array.isArray(joined) ? joined : Object.keys(joined)) as string[],
  );
  expect([...new Set(networks)].toSorted()).toEqual(Object.keys(compose.networks).toSorted());
  expect(compose.networks['replication']).toEqual({ internal: true });
});

test('the service reads a valid document, whose hosts are services of this file', () => {
  const { primary, replicas, poolers } = parseEndpoints(read('service/endpoints.json'));
  const hosts = [primary, ...replicas, poolers.readWrite, poolers.readOnly].map(
    (it) => `${it?.host}:${it?.port}`,
  );
  expect(hosts).toEqual([
    'pgbouncer-primary:6432',
    'pgbouncer-replica:6432',
    'pgbouncer-primary:6432',
    'pgbouncer-replica:6432',
  ]);
  expect(Object.keys(compose.services)).toEqual(
    expect.arrayContaining(['pgbouncer-primary', 'pgbouncer-replica']),
  );
});

let folder: string;
let secrets: string;
let primary: TemporaryPostgres;
const programs: RunningProgram[] = [];
const ports = { replica: 0, poolerOfPrimary: 0, poolerOfReplica: 0 };
let base: Record<string, string>;

beforeAll(async () => {
  const pgbouncer = await pgbouncerProgram();
  await becomePostgresUser();
  const PATH = `${await postgresBinaries()}:${process.env['PATH']}`;
  folder = mkdtempSync(join(tmpdir(), 'replica-manager-compose-'));
  secrets = join(folder, 'secrets');
  base = { PATH, SECRETS_DIR: secrets };
  await promisify(execFile)('bash', [join(example, 'make-secrets.sh'), secrets]);
  // Characters that files of passwords and shells treat in their own ways.
  writeFileSync(join(secrets, 'replication_password'), 'r:e\\p l\'i"c$a');
  writeFileSync(join(secrets, 'app_password'), 'a"p:p\\ $\'w`');
  chmodSync(secrets, 0o755);
  primary = await startTemporaryPostgres({ name: 'primary' });
  await primary.primary.query('CREATE DATABASE hospitality_platform');
  await initialisePrimary();
  [ports.replica, ports.poolerOfPrimary, ports.poolerOfReplica] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
  ]);
  programs.push(startReplica());
  programs.push(startPooler(pgbouncer, primary.primary.port, ports.poolerOfPrimary));
  programs.push(startPooler(pgbouncer, ports.replica, ports.poolerOfReplica));
}, 120_000);

afterAll(async () => {
  for (const program of programs.toReversed()) await program[Symbol.asyncDispose]();
  await primary[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function initialisePrimary(): Promise<void> {
  const { socketDirectory, port, dataDirectory } = primary.primary;
  const env = {
    ...base,
    POSTGRES_USER: 'postgres',
    POSTGRES_DB: 'hospitality_platform',
    PGHOST: socketDirectory,
    PGPORT: String(port),
    PGDATA: dataDirectory,
  };
  await promisify(execFile)('bash', [join(example, 'primary/init-primary.sh')], { env });
  await primary.primary.query('SELECT pg_reload_conf()');
}

/** As after a clone that was interrupted: half a copy lies where the next one is made. */
function startReplica(): RunningProgram {
  const volume = join(folder, 'replica');
  mkdirSync(join(volume, 'cloning'), { recursive: true });
  writeFileSync(join(volume, 'cloning/PG_VERSION'), '15\n');
  const settings = ['-c', `port=${ports.replica}`, '-c', `unix_socket_directories=${volume}`];
  return startProgram(
    'bash',
    [join(example, 'replica/start-replica.sh'), 'postgres', ...settings, '-c', 'cluster_name=replica'],
    {
      ...base,
      PGDATA: join(volume, 'pgdata'),
      PRIMARY_HOST: '127.0.0.1',
      PRIMARY_PORT: String(primary.primary.port),
    },
  );
}

function startPooler(pgbouncer: string, serverPort: number, port: number): RunningProgram {
  return startProgram('sh', [join(example, 'pgbouncer/start-pgbouncer.sh')], {
    ...base,
    PGBOUNCER: pgbouncer,
    RUN_DIR: join(folder, `pgbouncer-${port}`),
    SERVER_HOST: '127.0.0.1',
    SERVER_PORT: String(serverPort),
    LISTEN_PORT: String(port),
    POOL_SIZE: '25',
  });
}

/** One statement as the application, through a PgBouncer; its rows or its error. */
async function ask(
  port: number,
  sql: string,
  login: { user?: string; database?: string; password?: string } = {},
) {
  const password = readFileSync(join(secrets, `${login.user ?? 'app'}_password`), 'utf8');
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: 'app',
    password,
    database: 'hospitality_platform',
    ...login,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(sql)).rows as unknown[];
  } catch (error) {
    return String(error);
  } finally {
    await client.end();
  }
}

const server = "SELECT current_setting('cluster_name') AS name, pg_is_in_recovery() AS replica";

test('through one PgBouncer there is the primary, through the other the replica that was cloned', {
  timeout: 60_000,
}, async () => {
  await until('the replica answers', async () => Array.isArray(await ask(ports.poolerOfReplica, server)));
  expect(await ask(ports.poolerOfPrimary, server)).toEqual([{ name: 'primary-1', replica: false }]);
  expect(await ask(ports.poolerOfReplica, server)).toEqual([{ name: 'replica', replica: true }]);

  await ask(ports.poolerOfPrimary, 'CREATE TABLE properties (name text)');
  await ask(ports.poolerOfPrimary, "INSERT INTO properties VALUES ('Hotel California')");
  const names = () => ask(ports.poolerOfReplica, 'SELECT name FROM properties');
  await until('the row is on the replica', async () => (await names()).length === 1);
  expect(await names()).toEqual([{ name: 'Hotel California' }]);
});

test('the replica streams over its slot, under its name, as the role for replication', async () => {
  const senders = 'SELECT application_name, usename, state FROM pg_stat_replication';
  const slots = 'SELECT slot_name, active FROM pg_replication_slots';
  await until(
    'it streams',
    async () => (await primary.primary.query(senders)).rows[0]?.state === 'streaming',
  );
  expect((await primary.primary.query(senders)).rows).toEqual([
    { application_name: 'read_replica', usename: 'replication', state: 'streaming' },
  ]);
  expect((await primary.primary.query(slots)).rows).toEqual([{ slot_name: 'replica_slot', active: true }]);
});

test('a wrong password gets nowhere, and the application has a time limit', async () => {
  expect(await ask(ports.poolerOfPrimary, 'SELECT 1', { password: 'guessed' })).toMatch(
    /authentication failed/,
  );
  expect(await ask(ports.poolerOfPrimary, 'SHOW statement_timeout')).toEqual([{ statement_timeout: '1min' }]);
});

/** The service's folder and secrets as Compose mounts them, with the places of this machine. */
function mountService(): Record<string, string> {
  const mounts = join(folder, 'service');
  const run = join(mounts, 'secrets');
  mkdirSync(run, { recursive: true });
  for (const secret of compose.services['replica-manager']?.secrets ?? []) {
    if (typeof secret === 'string') throw new Error('each secret of the service has a target');
    const file = compose.secrets[secret.source]?.file.replace('./secrets/', '') ?? '';
    writeFileSync(join(run, secret.target), readFileSync(join(secrets, file)));
  }
  const document = parseEndpoints(read('service/endpoints.json'));
  const local: EndpointsDocument = {
    ...document,
    primary: document.primary && { ...document.primary, host: '127.0.0.1', port: ports.poolerOfPrimary },
    replicas: document.replicas.map((it) => ({ ...it, host: '127.0.0.1', port: ports.poolerOfReplica })),
  };
  writeFileSync(join(mounts, 'endpoints.json'), JSON.stringify(local));
  return {
    REPLICA_MANAGER_ENDPOINTS_FILE: join(mounts, 'endpoints.json'),
    REPLICA_MANAGER_CREDENTIALS_DIR: run,
    REPLICA_MANAGER_TLS: 'off',
    REPLICA_MANAGER_BEHIND_POOLER: 'true',
  };
}

test('the service of the file knows both, and a library with its settings routes through the PgBouncers', async () => {
  const environment = mountService();
  await using service = await startService(environment);
  await until('the service is ready', async () => (await fetch(`${service.url}/readyz`)).ok);
  expect(await fetch(`${service.url}/topology`).then((it) => it.json())).toMatchObject({
    primary: { name: 'primary', port: ports.poolerOfPrimary },
    replicas: [{ name: 'read_replica', port: ports.poolerOfReplica, isServing: true }],
    problems: [],
  });
  await using manager = createReplicaManager(readRouterEnvironment(environment));
  const sql = "SELECT current_setting('cluster_name') AS name";
  const names = async (database: Database) => (await database.exec(sql)).rows;
  expect(await names(manager.getWriteDatabase())).toEqual([{ name: 'primary-1' }]);
  expect(await names(manager.getReadReplica())).toEqual([{ name: 'replica' }]);
});

test('the guide’s commands work in the console of PgBouncer', async () => {
  const login = { user: 'postgres', database: 'pgbouncer' };
  expect(await ask(ports.poolerOfPrimary, 'SHOW POOLS', login)).toContainEqual(
    expect.objectContaining({ database: 'hospitality_platform', user: 'app' }),
  );
  expect(await ask(ports.poolerOfPrimary, 'SHOW POOLS', { database: 'pgbouncer' })).toMatch(/not allowed/);
});

test('no password is in the arguments of any program, nor in what they print', async () => {
  const passwords = ['replication_password', 'app_password'].map((name) =>
    readFileSync(join(secrets, name), 'utf8'),
  );
  const seen = programs
    .map((program) => readFileSync(`/proc/${program.child.pid}/cmdline`, 'utf8') + program.log())
    .join();
  for (const password of passwords) expect(seen).not.toContain(password);
});
