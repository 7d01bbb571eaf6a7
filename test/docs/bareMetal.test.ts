// The steps of docs/guides/bare-metal.md, taken from the page itself, with PostgreSQL and PgBouncer processes.

import { execFile } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../fixtures/freePort.ts';
import { pgbouncerProgram } from '../fixtures/pgbouncerProgram.ts';
import { postgresBinaries } from '../fixtures/postgresBinaries.ts';
import { becomePostgresUser } from '../fixtures/postgresUser.ts';
import { type RunningProgram, startProgram } from '../fixtures/runningProgram.ts';
import {
  startTemporaryPostgres,
  type TemporaryPostgres,
  TemporaryServer,
  until,
} from '../fixtures/temporaryPostgres.ts';

const page = readFileSync(new URL('../../docs/guides/bare-metal.md', import.meta.url), 'utf8');

/** The block that follows the mark of a step, with the places of this machine. */
function step(name: string): string {
  const [, rest] = page.split(`<!-- step: ${name} -->`);
  const [, block] = /^\n```\w*\n(.*?)```/s.exec(rest ?? '') ?? [];
  if (block === undefined) throw new Error(`the page has no step "${name}"`);
  return places.reduce((text, [there, here]) => text.replaceAll(there, here), block);
}

let places: readonly (readonly [there: string | RegExp, here: string])[] = [];
let folder: string;
let primary: TemporaryPostgres;
let replica: TemporaryServer;
const poolers: RunningProgram[] = [];
const ports = { replica: 0, poolerOfPrimary: 0, poolerOfReplica: 0 };

beforeAll(async () => {
  const pgbouncer = await pgbouncerProgram();
  await becomePostgresUser();
  const binaries = await postgresBinaries();
  folder = mkdtempSync(join(tmpdir(), 'replica-manager-bare-metal-'));
  primary = await startTemporaryPostgres({ name: 'primary' });
  [ports.replica, ports.poolerOfPrimary, ports.poolerOfReplica] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
  ]);
  const ofPrimary = `127.0.0.1 port=${primary.primary.port}`;
  places = [
    ['sudo systemctl', '# systemctl'],
    ['sudo -u postgres ', ''],
    ['/var/lib/postgresql/15/main', join(folder, 'replica')],
    ['/var/lib/postgresql', folder],
    ['/etc/pgbouncer', folder],
    ['primary-host:5432', `127.0.0.1:${primary.primary.port}`],
    ['primary-host port=5432', ofPrimary],
    ['replica-host port=5432', `127.0.0.1 port=${ports.replica}`],
    [/10\.0\.0\.[12]/g, '127.0.0.1'],
    ['6432', String(ports.poolerOfPrimary)],
    ['6433', String(ports.poolerOfReplica)],
  ];
  await setUpPrimary();
  await setUpReplica(binaries);
  poolers.push(startPooler(pgbouncer, 'primary', step('pgbouncer of the primary')));
  poolers.push(startPooler(pgbouncer, 'replica', iniOfReplica()));
  await until('both answer', async () =>
    [await ask('primary', 'SELECT 1'), await ask('replica', 'SELECT 1')].every(Array.isArray),
  );
}, 120_000);

afterAll(async () => {
  for (const pooler of poolers) await pooler[Symbol.asyncDispose]();
  await replica.stop();
  await primary[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function setUpPrimary(): Promise<void> {
  const server = primary.primary;
  appendFileSync(join(server.dataDirectory, 'postgresql.conf'), step('primary settings'));
  // What initdb wrote lets everybody in from loopback: only what the page says may.
  const access = step('primary access');
  const ofGuide = access.replaceAll(' app ', ' postgres ');
  writeFileSync(join(server.dataDirectory, 'pg_hba.conf'), `local all all trust\n${access}${ofGuide}`);
  await server.stop('fast');
  await server.start();
  for (const statement of step('roles')
    .replace(/^--.*$/gm, '')
    .split(';\n')) {
    if (statement.trim() !== '') await server.query(statement);
  }
  await server.query("ALTER ROLE postgres PASSWORD 'postgres'");
}

async function setUpReplica(binaries: string): Promise<void> {
  mkdirSync(join(folder, 'replica'), { mode: 0o700 });
  writeFileSync(join(folder, 'replica', 'PG_VERSION'), 'of the cluster that Debian made\n');
  const env = { PATH: `${binaries}:${process.env['PATH']}` };
  for (const name of ['password file', 'clone']) {
    await promisify(execFile)('bash', ['-euc', step(name)], { env, cwd: folder });
  }
  // On Debian these settings are in /etc and the replica's own.
  appendFileSync(
    join(folder, 'replica/postgresql.conf'),
    `port = ${ports.replica}\ncluster_name = 'replica'\nunix_socket_directories = '${folder}'\n`,
  );
  replica = new TemporaryServer('replica', binaries, folder, ports.replica);
  await replica.start();
}

/** The primary's with the three lines that the page says are different. */
function iniOfReplica(): string {
  const different = step('pgbouncer of the replica').trim().split('\n');
  return different.reduce((ini, line) => {
    const [key = ''] = line.split(' = ');
    const changed = ini.replace(new RegExp(`^${key} = .*$`, 'm'), line);
    expect(changed).not.toBe(ini);
    return changed;
  }, step('pgbouncer of the primary'));
}

function startPooler(pgbouncer: string, name: string, ini: string): RunningProgram {
  writeFileSync(join(folder, 'userlist.txt'), step('userlist'), { mode: 0o640 });
  writeFileSync(join(folder, `${name}.ini`), ini);
  return startProgram(pgbouncer, [join(folder, `${name}.ini`)], { PATH: process.env['PATH'] ?? '' });
}

/** One statement as the application, through a PgBouncer; its rows or its error. */
async function ask(of: 'primary' | 'replica', sql: string): Promise<unknown> {
  const port = of === 'primary' ? ports.poolerOfPrimary : ports.poolerOfReplica;
  const login = { user: 'app', password: 'app_password', database: 'hospitality_platform' };
  const client = new Client({ host: '127.0.0.1', port, ...login });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(sql)).rows;
  } catch (error) {
    return String(error);
  } finally {
    await client.end();
  }
}

test('the statements of the page show that it replicates', async () => {
  const answers = async (server: TemporaryServer, name: string) => {
    const statements = step(name).trim().split('\n');
    return Promise.all(statements.map(async (sql) => (await server.query(sql)).rows as unknown[]));
  };
  await until('it streams', async () =>
    JSON.stringify(await answers(replica, 'verify on the replica')).includes('streaming'),
  );
  expect(await answers(primary.primary, 'verify on the primary')).toEqual([
    [{ application_name: 'read_replica', state: 'streaming' }],
    [{ slot_name: 'replica_slot', active: true }],
  ]);
  expect(await answers(replica, 'verify on the replica')).toEqual([
    [{ pg_is_in_recovery: true }],
    [{ status: 'streaming' }],
  ]);
});

test('through the two PgBouncers there are the primary and the replica', async () => {
  const sql = 'SELECT pg_is_in_recovery() AS replica';
  expect(await Promise.all([ask('primary', sql), ask('replica', sql)])).toEqual([
    [{ replica: false }],
    [{ replica: true }],
  ]);
  expect(await ask('replica', 'CREATE TABLE refused (id int)')).toMatch(/read-only transaction/);
});

/** What a shell would take from a file of variables. */
function variables(text: string): Record<string, string> {
  const lines = text.matchAll(/^(\w+)=(.*?)\s*(?:#.*)?$/gm);
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]));
}

/** A module of an application with this environment; what it prints. */
async function runModule(source: string, environment: Record<string, string>): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module-typescript', '--eval', source],
    { env: { PATH: process.env['PATH'] ?? '', ...environment }, cwd: folder, timeout: 20_000 },
  );
  return stdout.trim();
}

const library = join(import.meta.dirname, '../../src/router/index.ts');

test('the library, configured by the page’s environment, writes to one and reads from the other', async () => {
  const sql = "SELECT current_setting('cluster_name') AS server";
  const source = `
    import { replicaManager } from '${library}';
    await replicaManager.routeQuery('CREATE', 'CREATE TABLE rooms (id int)');
    await replicaManager.routeQuery('INSERT', 'INSERT INTO rooms VALUES ($1)', [1]);
    const written = await replicaManager.getWriteDatabase().exec("${sql}", []);
    // Right after a write a read is where the write is, until a replica is known to have it. It never misses it.
    const counts = new Set();
    let read;
    do {
      read = await replicaManager.getReadReplica().exec("${sql}, (SELECT count(*)::int FROM rooms) AS count", []);
      counts.add(read.rows[0].count);
    } while (read.rows[0].server !== 'replica');
    console.log(written.rows[0].server, read.rows[0].server, ...counts);
    await replicaManager.end();`;
  expect(await runModule(source, variables(step('environment')))).toBe('primary-1 replica 1');
});

test('the examples of the guide run as they stand, with the guide’s environment', async () => {
  const read = (name: string) => readFileSync(new URL(`../fixtures/guide/${name}`, import.meta.url), 'utf8');
  const environment = places.reduce(
    (text, [there, here]) => text.replaceAll(there, here),
    read('environment.sh'),
  );
  const examples = [...read('usage.md').matchAll(/```typescript\n(.*?)```/gs)].map(([, code = '']) => code);
  expect(examples).toHaveLength(3);
  const prelude = `
    import { replicaManager } from '${library}';
    await replicaManager.routeQuery('CREATE', 'CREATE TABLE properties (name text, address text, org_id int)');
    const orgId = 7;
    const fetchFromReplica = async () => 'from a replica';
    const fetchFromPrimary = async () => 'from the primary';`;
  const body = examples
    .map((code) => code.replace(/^import .*$/m, ''))
    .map((code) => code.replaceAll("'INSERT INTO ...'", "'INSERT INTO properties (org_id) VALUES (7)'"))
    .map((code) => code.replaceAll("'SELECT * FROM ...'", "'SELECT count(*)::int AS count FROM properties'"))
    .map((code) => `{${code}${code.includes('results') ? 'console.log(JSON.stringify(results.rows));' : ''}}`)
    .join('\n')
    .replaceAll('const data =', 'console.log(')
    .replaceAll(/fetchFrom(Replica|Primary)\(\);/g, 'fetchFrom$1());');
  const output = await runModule(`${prelude}\n${body}\nawait replicaManager.end();`, variables(environment));
  expect(output).toBe('[{"count":2}]\nfrom a replica');
});
