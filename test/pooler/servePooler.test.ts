// A pooler with a real PgBouncer in front of a real primary and replica, which share a port on addresses of their own.
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { Client, Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { databaseRoles, type PoolerKind } from '../../src/api/names.ts';
import type { EndpointsDocument } from '../../src/endpoints/endpointsDocument.ts';
import { userLookupSql } from '../../src/postgres/bootstrapSql.ts';
import { endpointsDocument, primaryEndpoint, replicaEndpoint } from '../fixtures/endpointsDocument.ts';
import { makeCertificates, type TemporaryCertificates } from '../fixtures/temporaryCertificates.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';
import { type ConfigMapServer, startConfigMapServer } from './configMapServer.ts';
import { forwardPort, type PortForward } from './portForward.ts';
import { app, askOnce, type RunningPooler, startPooler } from './startPooler.ts';
import { topologyConfig } from './topologyConfig.ts';

const rolePassword = 'a "quoted" password of the pooler';
const whoAreYou = `select current_setting('cluster_name')`;

let certificates: TemporaryCertificates;
let servers: TemporaryPostgres;
let first: PortForward;
let second: PortForward;

beforeAll(async () => {
  certificates = await makeCertificates(
    (['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4'] as const).map((value) => ({ type: 'ip', value })),
  );
  servers = await startTemporaryPostgres({ replicas: 1, certificates });
  const [replica] = servers.replicas;
  if (replica === undefined) throw new Error('no replica');
  first = await forwardPort('127.0.0.2', 0, servers.primary.port);
  second = await forwardPort('127.0.0.3', first.port, replica.port);
  for (const statement of [
    `create role ${databaseRoles.pooler} login password '${rolePassword}'`,
    `create role ${databaseRoles.monitor} login password 'known'`,
    `create role pgbouncer login password 'known'`,
    `create role ${app.user} login password '${app.password}'`,
    `create database ${app.database} owner ${app.user}`,
    ...userLookupSql(databaseRoles.pooler),
  ]) {
    await servers.primary.query(statement);
  }
  await servers.caughtUp();
}, 180_000);

afterAll(async () => {
  await first?.[Symbol.asyncDispose]();
  await second?.[Symbol.asyncDispose]();
  await servers?.[Symbol.asyncDispose]();
});

/** Names of the application's pool among the metrics. */
const samples = {
  idle: 'replica_manager_pooler_servers{database="app",user="app",state="idle",pooler="rw"}',
  waiting: 'replica_manager_pooler_clients{database="app",user="app",state="waiting",pooler="rw"}',
};

interface Scene extends AsyncDisposable {
  readonly pooler: RunningPooler;
  readonly api: ConfigMapServer;
  publish(document: EndpointsDocument): void;
}

/** A pooler that has its configuration and, unless told otherwise, a document with both servers. */
async function scene(
  kind: PoolerKind,
  document: EndpointsDocument | null = bothServers(),
  { poolSize = 10, acceptMs = 200 } = {},
): Promise<Scene> {
  const api = await startConfigMapServer();
  const publish = (published: EndpointsDocument) => api.put('orders-endpoints', 'endpoints.json', published);
  const size = { readWrite: { poolSize }, readOnly: { poolSize } };
  api.put('orders-config', 'topology.json', topologyConfig(size));
  if (document !== null) publish(document);
  const pooler = await startPooler({ kind, apiServer: api.url, certificates, rolePassword, acceptMs });
  const dispose = async () => {
    await pooler[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  };
  try {
    await until('the pooler is ready', async () => {
      if (pooler.process.exitCode !== null) throw new Error(`the pooler ended:\n${pooler.log.join('\n')}`);
      const { status } = await pooler.probe('/readyz').catch(() => ({ status: 0 }));
      return status === (document === null ? 503 : 200);
    });
  } catch (error) {
    await dispose();
    throw new Error(pooler.log.join('\n'), { cause: error });
  }
  return { pooler, api, publish, [Symbol.asyncDispose]: dispose };
}

const at = ({ host, port }: PortForward) => ({ host, port });

/** The primary, and both servers as replicas, so that reads have two places to go. */
function bothServers(differences: Partial<EndpointsDocument> = {}): EndpointsDocument {
  return endpointsDocument({
    primary: primaryEndpoint(at(first)),
    replicas: [
      replicaEndpoint({ name: 'orders-2', ...at(second) }),
      replicaEndpoint({ name: 'orders-3', ...at(first) }),
    ],
    ...differences,
  });
}

/** The same with only the second server taking reads. */
const onlySecond = (differences: Partial<EndpointsDocument> = {}) =>
  bothServers({
    generation: 42,
    replicas: [replicaEndpoint({ name: 'orders-2', ...at(second) })],
    ...differences,
  });

test('an application logs in with the password that PostgreSQL knows, and nobody else gets in', async () => {
  await using it = await scene('rw');
  const login = (differences = {}) => it.pooler.login(differences);

  expect(await askOnce(login(), 'select current_user')).toBe('app');
  const refused = async (differences: object) => expect(askOnce(login(differences), 'select 1')).rejects;
  await (await refused({ password: 'wrong' })).toThrow('SASL authentication failed');
  await (await refused({ ...servers, database: 'app' })).toThrow('no such user');
  await (await refused({ user: databaseRoles.monitor, password: 'known' })).toThrow('no such user');
  await (await refused({ ssl: false })).toThrow('SSL required');
});

test('the admin console is closed to the network, also for a role called pgbouncer', async () => {
  await using it = await scene('rw');
  const console = { database: 'pgbouncer' };

  await expect(askOnce(it.pooler.login(console), 'show pools')).rejects.toThrow('not allowed');
  const namesake = { ...console, user: 'pgbouncer', password: 'known' };
  await expect(askOnce(it.pooler.login(namesake), 'show pools')).rejects.toThrow('not allowed');
});

test('prepared statements work though each transaction may be on another server connection', async () => {
  await using it = await scene('rw', bothServers(), { poolSize: 2 });
  const pool = new Pool({ ...it.pooler.login(), max: 8 });
  const query = (value: number) =>
    pool.query({ name: `n${value % 5}`, text: `select $1::int + ${value % 5} as sum`, values: [value] });

  const answers = await Promise.all(Array.from({ length: 200 }, (_, value) => query(value)));
  await pool.end();

  expect(answers.map(({ rows }) => rows[0].sum)).toEqual(
    Array.from({ length: 200 }, (_, value) => value + (value % 5)),
  );
});

test('one client of the read-only pooler is served by every replica in turn', async () => {
  await using it = await scene('ro');
  const client = new Client(it.pooler.login());
  await client.connect();
  const seen = new Set<string>();

  await until('both servers have answered', async () => {
    seen.add((await client.query(whoAreYou)).rows[0].current_setting);
    return seen.size === 2;
  });
  await client.end();
});

test('a replica that leaves the document loses its connections, and no query fails', async () => {
  await using it = await scene('ro');
  const pool = new Pool({ ...it.pooler.login(), max: 4 });
  const failures: unknown[] = [];
  let isOver = false;
  const answered: string[] = [];
  const reader = async () => {
    while (!isOver) {
      try {
        answered.push((await pool.query(whoAreYou)).rows[0].current_setting);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  const reading = Promise.all(Array.from({ length: 4 }, reader));
  await until('both servers take reads', () => new Set(answered).size === 2);
  const pid = it.pooler.pgbouncerPid();

  it.publish(onlySecond());
  await until('the first server has no connection left', () => first.connectionCount() === 0, 5_000);
  answered.length = 0;
  await until('reads go on', () => answered.length > 100);
  isOver = true;
  await reading;
  await pool.end();

  expect({ failures, servers: new Set(answered), pid: it.pooler.pgbouncerPid() }).toEqual({
    failures: [],
    servers: new Set(['orders-2']),
    pid,
  });
});

test('an older document changes nothing', async () => {
  await using it = await scene('ro', onlySecond());

  it.publish(bothServers({ generation: 41 }));
  await until('it was seen', () =>
    it.pooler.log.some((line) => line.includes('refused an endpoints document')),
  );

  expect(await askOnce(it.pooler.login(), whoAreYou)).toBe('orders-2');
  expect(first.connectionCount()).toBe(0);
});

test('writes follow the primary to another server', async () => {
  await using it = await scene('rw');
  expect(await askOnce(it.pooler.login(), whoAreYou)).toBe('orders-1');

  const primary = primaryEndpoint({ name: 'orders-2', ...at(second) });
  it.publish(bothServers({ epoch: 13, primary, replicas: [] }));

  await until(
    'the second server answers',
    async () => (await askOnce(it.pooler.login(), whoAreYou)) === 'orders-2',
    5_000,
  );
});

test('writes that wait for a dead primary are served by its successor within 3 s', async () => {
  const mortal = await forwardPort('127.0.0.4', first.port, servers.primary.port);
  await using it = await scene('rw', bothServers({ primary: primaryEndpoint(at(mortal)), replicas: [] }));
  const pool = new Pool({ ...it.pooler.login(), max: 4 });
  const ask = () => pool.query(whoAreYou).then(({ rows }) => rows[0].current_setting, String);
  expect(await ask()).toBe('orders-1');

  await mortal[Symbol.asyncDispose]();
  const metrics = async () => (await it.pooler.metrics()).split('\n');
  await until('the pooler has noticed', async () => (await metrics()).includes(`${samples.idle} 0`));
  const waiting = ask();
  await until('the query waits', async () => (await metrics()).includes(`${samples.waiting} 1`));
  const publishedAt = performance.now();
  const primary = primaryEndpoint({ name: 'orders-2', ...at(second) });
  it.publish(bothServers({ epoch: 13, primary, replicas: [] }));

  expect(await waiting).toBe('orders-2');
  expect(performance.now() - publishedAt).toBeLessThan(3_000);
  await pool.end();
});

test('a pooler without a place for reads is not ready and says why', async () => {
  await using it = await scene('ro', null);
  expect(await it.pooler.probe('/readyz')).toEqual({ status: 503, body: 'waiting for a primary\n' });
  expect(await it.pooler.probe('/livez')).toEqual({ status: 200, body: 'ok\n' });

  it.publish(bothServers());
  await until('it is ready', async () => (await it.pooler.probe('/readyz')).status === 200);

  const { routing } = bothServers();
  it.publish(
    bothServers({ generation: 42, replicas: [], routing: { ...routing, fallbackToPrimary: false } }),
  );
  await until('it is not', async () => (await it.pooler.probe('/readyz')).status === 503);
  expect(await it.pooler.probe('/readyz')).toEqual({ status: 503, body: 'no server takes reads\n' });
  // The first to come is kept waiting for query_wait_timeout, everybody after it is told at once.
  await until('a client is told', async () => {
    const told = await askOnce(it.pooler.login({ connectionTimeoutMillis: 500 }), 'select 1').catch(String);
    return String(told).includes('server login has been failing');
  });
});

test('a pgbouncer that dies is started again', async () => {
  await using it = await scene('rw');
  const before = it.pooler.pgbouncerPid();

  process.kill(before, 'SIGKILL');

  await until(
    'it answers again',
    () =>
      askOnce(it.pooler.login(), 'select 1').then(
        (one) => one === 1,
        () => false,
      ),
    5_000,
  );
  expect(it.pooler.pgbouncerPid()).not.toBe(before);
});

test('a renewed certificate is shown to the next client', async () => {
  await using it = await scene('rw');
  const renewed = await makeCertificates([{ type: 'ip', value: '127.0.0.1' }]);
  expect(await shownCertificate(it.pooler.port)).toBe(derOf(certificates.cert));

  it.pooler.renewCertificate(renewed);

  await until(
    'it is shown',
    async () => (await shownCertificate(it.pooler.port)) === derOf(renewed.cert),
    5_000,
  );
});

test('the API server may go away', async () => {
  await using it = await scene('rw');

  await it.api[Symbol.asyncDispose]();
  await until(
    'the watches have failed',
    () => it.pooler.log.filter((line) => line.includes('is tried again')).length >= 4,
  );

  expect(await askOnce(it.pooler.login(), whoAreYou)).toBe('orders-1');
  expect((await it.pooler.probe('/readyz')).status).toBe(200);
});

test('a pooler that is asked to go lets the running transaction end, then goes', async () => {
  await using it = await scene('rw');
  const client = new Client(it.pooler.login());
  client.on('error', () => {});
  await client.connect();
  await client.query('begin');
  const slow = client.query('select pg_sleep(1.5), 7 as answer').then(async ({ rows }) => {
    await client.query('commit');
    return rows[0].answer;
  });
  const exited = once(it.pooler.process, 'exit');

  it.pooler.process.kill('SIGTERM');
  await until('it takes no more connections', () =>
    askOnce(it.pooler.login(), 'select 1').then(
      () => false,
      () => true,
    ),
  );

  expect(await slow).toBe(7);
  expect(await exited).toEqual([0, null]);
});

test('an idle pooler that is asked to go still serves who has not heard of it yet', async () => {
  await using it = await scene('rw', bothServers(), { acceptMs: 4_000 });
  const exited = once(it.pooler.process, 'exit');

  it.pooler.process.kill('SIGTERM');
  await until('it is leaving', () => it.pooler.log.some((line) => line.includes('pooler is leaving')));
  const answers: unknown[] = [];
  while (answers.length < 10) answers.push(await askOnce(it.pooler.login(), 'select 1').catch(String));

  expect(answers).toEqual(answers.map(() => 1));
  expect(await exited).toEqual([0, null]);
});

test('the numbers of the pools are there for Prometheus', async () => {
  await using it = await scene('rw');
  await askOnce(it.pooler.login(), 'select 1');

  const lines = (await it.pooler.metrics()).split('\n');
  expect(lines).toContain('replica_manager_pooler_queries_total{database="app",pooler="rw"} 1');
  expect(lines).toContain(`${samples.idle} 1`);
});

test('the log is JSON and holds no password', async () => {
  await using it = await scene('rw');
  await askOnce(it.pooler.login(), 'select 1');
  await askOnce(it.pooler.login({ password: 'mistyped' }), 'select 1').catch(() => {});

  const text = it.pooler.log.join('\n');
  expect(it.pooler.log.map((line) => typeof JSON.parse(line).msg)).toEqual(it.pooler.log.map(() => 'string'));
  expect(text).toContain('process up: PgBouncer');
  for (const secret of ['quoted', app.password, 'mistyped', 'SCRAM-SHA-256$'])
    expect(text).not.toContain(secret);
});

/** The server's certificate, in hexadecimal, as a client sees it after PostgreSQL's request for TLS. */
async function shownCertificate(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
  socket.write(sslRequest);
  await once(socket, 'data');
  const secure = tlsConnect({ socket, rejectUnauthorized: false });
  await once(secure, 'secureConnect');
  const shown = secure.getPeerCertificate().raw.toString('hex');
  secure.destroy();
  return shown;
}

const derOf = (pem: string): string =>
  Buffer.from(pem.replaceAll(/-----[^-]+-----/g, ''), 'base64').toString('hex');
