// What clients of the read-write pooler notice when the primary role moves. A real PgBouncer before real servers; the agents' part is
// played by documents and `pg_promote`.
import { Client, Pool } from 'pg';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { databaseRoles } from '../../src/api/names.ts';
import type { EndpointsDocument } from '../../src/endpoints/endpointsDocument.ts';
import { userLookupSql } from '../../src/postgres/bootstrapSql.ts';
import { endpointsDocument, primaryEndpoint } from '../fixtures/endpointsDocument.ts';
import { FrozenProxy } from '../fixtures/frozenProxy.ts';
import { type Writer, writeSteadily } from '../fixtures/switchover.ts';
import { makeCertificates, type TemporaryCertificates } from '../fixtures/temporaryCertificates.ts';
import {
  startTemporaryPostgres,
  type TemporaryPostgres,
  type TemporaryServer,
  until,
} from '../fixtures/temporaryPostgres.ts';
import { type ConfigMapServer, startConfigMapServer } from './configMapServer.ts';
import { app, type RunningPooler, startPooler } from './startPooler.ts';
import { topologyConfig } from './topologyConfig.ts';

const rolePassword = 'of the pooler';

/** Each write of one writer is a login with TLS and SCRAM, which a busy machine takes its time for. */
const timeoutMs = 60_000;

let certificates: TemporaryCertificates;
let postgres: TemporaryPostgres;
let proxy: FrozenProxy;
let api: ConfigMapServer;
let pooler: RunningPooler;
let pool: Pool;
const stopping: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  certificates = await makeCertificates([{ type: 'ip', value: '127.0.0.1' }]);
});
beforeEach(async () => {
  postgres = await startTemporaryPostgres({ replicas: 1, certificates });
  for (const statement of [
    `create role ${databaseRoles.pooler} login password '${rolePassword}'`,
    `create role ${app.user} login password '${app.password}'`,
    `create database ${app.database} owner ${app.user}`,
    ...userLookupSql(databaseRoles.pooler),
  ]) {
    await postgres.primary.query(statement);
  }
  await postgres.caughtUp();
  proxy = await FrozenProxy.start(postgres.primary.port);
  api = await startConfigMapServer();
  api.put('orders-config', 'topology.json', topologyConfig({ readWrite: { poolSize: 10 } }));
  publish();
  pooler = await startPooler({ kind: 'rw', apiServer: api.url, certificates, rolePassword });
  await until('the pooler is ready', async () => {
    const { status } = await pooler.probe('/readyz').catch(() => ({ status: 0 }));
    return status === 200;
  });
  pool = new Pool({ ...pooler.login(), max: 8 });
  pool.on('error', () => {});
  await pool.query('CREATE TABLE orders (id int PRIMARY KEY)');
}, 60_000);
afterEach(async () => {
  // A login that was under way at the silent server is given up by its own client, after 10 s.
  for (const stop of stopping.splice(0)) await stop();
  await pool.end();
  await pooler[Symbol.asyncDispose]();
  await api[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
}, timeoutMs);

/** The first server is reached by the proxy, the second one as it is. */
function publish(differences: Partial<EndpointsDocument> = {}): void {
  const primary = primaryEndpoint({ host: '127.0.0.1', port: proxy.port });
  api.put('orders-endpoints', 'endpoints.json', endpointsDocument({ primary, replicas: [], ...differences }));
}

const second = (): TemporaryServer => {
  const [server] = postgres.replicas;
  if (server === undefined) throw new Error('there is a replica');
  return server;
};

/** As the agent of the new primary does. */
function publishSecond(): void {
  const primary = primaryEndpoint({ name: 'orders-2', host: '127.0.0.1', port: second().port });
  publish({ epoch: 13, generation: 43, primary });
}

const served = () => pooler.log.filter((line) => line.includes('clients are served again')).length;
const hasLogged = (text: string) => until(text, () => pooler.log.some((line) => line.includes(text)));

async function writeOnce(id: number): Promise<void> {
  const client = new Client(pooler.login());
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('INSERT INTO orders VALUES ($1)', [id]);
  } finally {
    await client.end();
  }
}

/** One by connections that stay, one by a new connection for each write. */
function writers(): readonly [Writer, Writer] {
  const both = [
    writeSteadily((id) => pool.query('INSERT INTO orders VALUES ($1)', [id])),
    writeSteadily(writeOnce, 1_000_000, 60),
  ] as const;
  stopping.push(() => Promise.all(both.map((it) => it.stop())));
  return [both[0], both[1]];
}

async function goOn(all: readonly Writer[], more = 10): Promise<void> {
  const counts = all.map(({ acknowledged }) => acknowledged.length + more);
  await until('all go on', () =>
    all.every(({ acknowledged }, at) => acknowledged.length >= (counts[at] ?? 0)),
  );
}

const switchover = { id: 'a', to: 'orders-2', holdMs: 10_000 };

test(
  'an orderly switchover under load is a pause for clients, and no error',
  async () => {
    const all = writers();
    await goOn(all);

    publish({ generation: 42, switchover });
    await hasLogged('every transaction has ended');
    await postgres.primary.stop('fast');
    await second().promote();
    publishSecond();
    await goOn(all);
    await Promise.all(all.map((it) => it.stop()));

    expect(all.flatMap(({ failures }) => failures)).toEqual([]);
    const { rows } = await pool.query('SELECT id FROM orders ORDER BY id');
    const written = all.flatMap(({ acknowledged }) => acknowledged);
    expect(rows.map(({ id }) => id)).toEqual(written.toSorted((one, other) => one - other));
  },
  timeoutMs,
);

/** How long after that each has had an answer. */
async function firstWrites(
  all: readonly Writer[],
  counts: readonly number[],
  sinceMs: number,
): Promise<readonly number[]> {
  const seen: number[] = [];
  await until('all are served', () => {
    all.forEach(({ acknowledged }, at) => {
      if (acknowledged.length > (counts[at] ?? 0)) seen[at] ??= performance.now() - sinceMs;
    });
    return all.every((_, at) => seen[at] !== undefined);
  });
  return seen;
}

test(
  'a switchover that is taken back, or takes too long, is a pause',
  async () => {
    const all = writers();
    await goOn(all);

    publish({ generation: 42, switchover });
    await hasLogged('every transaction has ended');
    publish({ generation: 43 });
    await goOn(all);
    publish({ generation: 44, switchover: { ...switchover, id: 'b', holdMs: 700 } });
    await until('it waits and goes on again', () => served() === 2);
    await goOn(all);
    await Promise.all(all.map((it) => it.stop()));

    expect(all.flatMap(({ failures }) => failures)).toEqual([]);
  },
  timeoutMs,
);

test(
  'when a transaction does not end, clients wait no longer than was announced',
  async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    publish({ generation: 42, switchover: { ...switchover, holdMs: 500 } });
    await hasLogged('clients wait');
    await hasLogged('clients are served again');
    await pool.query('INSERT INTO orders VALUES (1)');
    await client.query('INSERT INTO orders VALUES (2)');
    await client.query('COMMIT');
    client.release();
    expect((await pool.query('SELECT count(*)::int AS n FROM orders')).rows).toEqual([{ n: 2 }]);
  },
  timeoutMs,
);

test(
  'after a failover the clients that wait are served at once by the new primary',
  async () => {
    const all = writers();
    await goOn(all);

    await postgres.primary.stop('immediate');
    await second().promote();
    await until('clients have noticed', () => all[0].failures.length > 0);
    const counts = all.map(({ acknowledged }) => acknowledged.length);
    const publishedAtMs = performance.now();
    publishSecond();
    const after = await firstWrites(all, counts, publishedAtMs);
    await Promise.all(all.map((it) => it.stop()));

    for (const ms of after) expect(ms).toBeLessThan(3_000);
  },
  timeoutMs,
);

test(
  'a primary that is gone without a word takes no client with it for long',
  async () => {
    const all = writers();
    await goOn(all);
    const busy = await pool.connect();
    busy.on('error', () => {});
    await busy.query('BEGIN');

    proxy.freeze();
    await second().promote();
    const stuck = busy.query('SELECT 1').then(
      () => 'answered',
      () => 'lost',
    );
    await until('every connection is stuck', () => pool.idleCount === 0 && pool.waitingCount > 0);
    const counts = all.map(({ acknowledged }) => acknowledged.length);
    const publishedAtMs = performance.now();
    publishSecond();
    const after = await firstWrites(all, counts, publishedAtMs);
    busy.release(true);

    expect(await stuck).toBe('lost');
    for (const ms of after) expect(ms).toBeLessThan(3_000);
  },
  timeoutMs,
);
