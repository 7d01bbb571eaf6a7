// What `pg` takes beside texts: names, objects of classes, and objects that talk to the connection themselves.

import { type EventEmitter, once } from 'node:events';
import { Query, type QueryConfig } from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { RoutedPool, type RoutedPoolConfig } from '../../src/router/index.ts';
import { freePort } from '../fixtures/freePort.ts';
import { loginTo, routedPool } from '../fixtures/poolKinds.ts';
import { startTemporaryPostgres, type TemporaryPostgres } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
const opened: RoutedPool[] = [];

beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 1 });
  await postgres.primary.query('CREATE TABLE orders (id int)');
  await postgres.caughtUp();
}, 60_000);
afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => pool.end()));
  await postgres.primary.query('TRUNCATE orders');
});
afterAll(() => postgres[Symbol.asyncDispose]());

function open(config: RoutedPoolConfig = {}): RoutedPool {
  const pool = routedPool(postgres, {
    ...config,
    replicaManager: { consistency: 'eventual', ...config.replicaManager },
  });
  opened.push(pool);
  return pool;
}

/** What the driver takes and its types do not. */
const asConfig = (given: object) => given as QueryConfig;

const stored = async () =>
  (await postgres.primary.query('SELECT id FROM orders ORDER BY id')).rows.map(({ id }) => id);

test('a write that is given by its name again is done again', async () => {
  const client = await open().connect();
  await client.query({ name: 'insert', text: 'INSERT INTO orders VALUES ($1)', values: [1] });
  const again = await client.query(asConfig({ name: 'insert', values: [2] }));
  expect(again).toMatchObject({ command: 'INSERT', rowCount: 1 });
  client.release();
  expect(await stored()).toEqual([1, 2]);
});

test('a read that is given by its name again is answered, wherever it runs', async () => {
  const client = await open().connect();
  const text = `SELECT current_setting('cluster_name') AS server`;
  expect((await client.query({ name: 'who', text })).rows).toEqual([{ server: 'orders-2' }]);
  expect((await client.query(asConfig({ name: 'who' }))).rows).toEqual([{ server: 'orders-2' }]);
  client.release();
});

test('a name that the connection does not have is refused instead of lost, and the connection is kept', async () => {
  const pool = open();
  await expect(pool.query(asConfig({ name: 'unknown', values: [1] }))).rejects.toMatchObject({
    code: '26000',
    message: 'prepared statement "unknown" does not exist on this connection, give its text with the name',
  });
  expect([pool.status().counters.writes, pool.idleCount]).toEqual([1, 1]);
});

test('an object that says nothing of its text goes to the primary', async () => {
  const inner = new Query('INSERT INTO orders VALUES (3)');
  const wrapped = new Proxy(inner, {
    get: (target, key) => {
      const value: unknown = key === 'text' ? undefined : Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  await open().query(asConfig(wrapped));
  expect(await stored()).toEqual([3]);
});

test('too many values are told by the server that was asked, and by no other', async () => {
  const pool = open();
  await expect(pool.query('SELECT 1', [1])).rejects.toMatchObject({ code: '08P01', severity: 'ERROR' });
  expect(pool.status().counters.retries).toBe(0);
  expect(pool.idleCount).toBe(1);
});

test('an object of a class with private fields is taken, with a callback and with parsers of the client', async () => {
  class Template {
    readonly #id = 7;
    callback?: unknown;
    get text(): string {
      return `SELECT ${this.#id} AS n`;
    }
  }
  const pool = open();
  const told = new Promise((resolve, reject) => {
    const template = Object.assign(new Template(), {
      callback: (error: Error, result: { rows: unknown }) => (error ? reject(error) : resolve(result.rows)),
    });
    pool.query(template as never);
  });
  expect(await told).toEqual([{ n: 7 }]);
  const client = await pool.connect();
  client.setTypeParser(23, (value: string) => `<${value}>`);
  expect((await client.query(asConfig(new Template()))).rows).toEqual([{ n: '<7>' }]);
  client.release();
});

test('an object on a connection that is lost hears of it, and the client is given back', async () => {
  const pool = open();
  const client = await pool.connect();
  await client.query('BEGIN');
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
  const lost = new Promise((resolve) => (client as unknown as EventEmitter).once('end', resolve));
  await postgres.primary.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
  await lost;
  const told = new Promise((resolve) => client.query(new Query('SELECT 1', (error) => resolve(error))));
  expect(await told).toMatchObject({ message: expect.stringContaining('is not queryable') });
  await expect(client.query('SELECT 1')).rejects.toThrow('is not queryable');
  client.release();
  await opened.splice(0)[0]?.end();
  expect(pool.totalCount).toBe(0);
});

test('an object that the driver throws out is told why, and the client is given back', async () => {
  const pool = open();
  const client = await pool.connect();
  await client.query('BEGIN');
  const failing = {
    text: 'SELECT 1',
    submit: () => {
      throw new Error('not today');
    },
  };
  const told = new Promise((resolve) =>
    client.query(Object.assign(failing, { handleError: resolve }) as never),
  );
  expect(await told).toMatchObject({ message: 'not today' });
  client.release();
  await opened.splice(0)[0]?.end();
  expect(pool.totalCount).toBe(0);
});

test('an object that is never sent tells its callback, and one without a callback its listener', async () => {
  const pool = new RoutedPool({
    ...loginTo(postgres),
    host: '127.0.0.1',
    port: await freePort(),
    replicaManager: {
      replicas: postgres.replicas.map(({ host, port }) => ({ host, port })),
      consistency: 'eventual',
    },
  });
  opened.push(pool);
  const client = await pool.connect();
  const told = new Promise((resolve) => {
    void client.query(new Query('INSERT INTO orders VALUES (4)') as never, resolve as never);
  });
  expect(await told).toMatchObject({ code: 'RPG_PRIMARY_UNREACHABLE' });
  const [error] = await once(client.query(new Query('INSERT INTO orders VALUES (5)')), 'error');
  expect(error).toMatchObject({ code: 'RPG_PRIMARY_UNREACHABLE' });
  client.release();
});
