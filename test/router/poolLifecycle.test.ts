// Connections and their bounds, events and the end of a pool: as with `pg.Pool` where there is one server.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { Notification, Pool, PoolClient, PoolConfig } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RoutedPool } from '../../src/router/index.ts';
import { loginTo, poolOf } from '../fixtures/poolKinds.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
const opened: Pool[] = [];

beforeAll(async () => {
  postgres = await startTemporaryPostgres();
}, 60_000);
afterEach(async () => {
  for (const pool of opened.splice(0)) if (!pool.ending) await pool.end();
});
afterAll(() => postgres[Symbol.asyncDispose]());

const kinds = ['pg.Pool', 'RoutedPool'] as const;

function open(kind: (typeof kinds)[number], config: PoolConfig = {}): Pool {
  const pool = poolOf(kind, postgres, config);
  pool.on('error', () => {});
  opened.push(pool);
  return pool;
}

const countsOf = ({ totalCount, idleCount, waitingCount, expiredCount }: Pool) => ({
  total: totalCount,
  idle: idleCount,
  waiting: waitingCount,
  expired: expiredCount,
});

function eventsOf(pool: Pool): string[] {
  const events: string[] = [];
  for (const event of ['connect', 'acquire', 'remove'] as const) pool.on(event, () => events.push(event));
  pool.on('release', (error) => events.push(error ? 'release with an error' : 'release'));
  return events;
}

/** The driver's own words, also where the router says more. */
async function saidBy(attempt: Promise<unknown>): Promise<string> {
  const error = (await attempt.catch((it: unknown) => it)) as Error;
  return error.cause instanceof Error ? error.cause.message : error.message;
}

const pidOf = async (on: Pick<Pool, 'query'>) =>
  (await on.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;

describe.each(kinds)('%s', (kind) => {
  test('fills in the same options, and does not show the password', () => {
    const { options } = open(kind);
    expect(options).toMatchObject({
      max: 10,
      min: 0,
      maxUses: Number.POSITIVE_INFINITY,
      allowExitOnIdle: false,
      maxLifetimeSeconds: 0,
      idleTimeoutMillis: 10_000,
    });
    expect(options.password).toBe(postgres.password);
    expect(JSON.stringify(options)).not.toContain(postgres.password);
  });

  test('counts the connections that are open, idle and waited for', async () => {
    const pool = open(kind, { max: 1 });
    expect(countsOf(pool)).toEqual({ total: 0, idle: 0, waiting: 0, expired: 0 });
    const client = await pool.connect();
    expect(countsOf(pool)).toEqual({ total: 1, idle: 0, waiting: 0, expired: 0 });
    const second = pool.connect();
    const third = pool.query('SELECT 1');
    await until('both wait', () => pool.waitingCount === 2);
    client.release();
    (await second).release();
    await third;
    expect(countsOf(pool)).toEqual({ total: 1, idle: 1, waiting: 0, expired: 0 });
  });

  test('tells what becomes of its connections, in this order', async () => {
    const pool = open(kind);
    const events = eventsOf(pool);
    await pool.query('SELECT 1');
    expect(events.splice(0)).toEqual(['connect', 'acquire', 'release']);
    const client = await pool.connect();
    expect(events.splice(0)).toEqual(['acquire']);
    client.release(true);
    await until('it is removed', () => events.length === 2);
    expect(events.splice(0)).toEqual(['release with an error', 'remove']);
    expect(pool.totalCount).toBe(0);
  });

  test('a listener of connect can set up the session before anybody uses it', async () => {
    const pool = open(kind);
    pool.on('connect', (client) => void client.query(`SET application_name = 'set up'`));
    const { rows } = await pool.query(`SELECT current_setting('application_name') AS name`);
    expect(rows).toEqual([{ name: 'set up' }]);
  });

  test('onConnect is awaited, and its failure is the caller’s', async () => {
    const pool = open(kind, {
      onConnect: (client) => client.query(`SET application_name = 'hook'`) as never,
    });
    const { rows } = await pool.query(`SELECT current_setting('application_name') AS name`);
    expect(rows).toEqual([{ name: 'hook' }]);
    const failing = open(kind, { onConnect: () => Promise.reject(new Error('not today')) as never });
    expect(await saidBy(failing.query('SELECT 1'))).toBe('not today');
  });

  test('verify can refuse a new connection', async () => {
    const pool = open(kind, { verify: (_, done) => done(new Error('not this one')) });
    expect(await saidBy(pool.query('SELECT 1'))).toBe('not this one');
  });

  test('gives a client by callback, with the function that gives it back', async () => {
    const pool = open(kind);
    const rows = await new Promise((resolve, reject) => {
      pool.connect((error, client, release) => {
        if (error !== undefined || client === undefined) return reject(error);
        client.query('SELECT 1 AS one', (_, result) => {
          release();
          resolve(result.rows);
        });
      });
    });
    expect(rows).toEqual([{ one: 1 }]);
    expect(countsOf(pool)).toMatchObject({ total: 1, idle: 1 });
  });

  test('refuses to take a client back twice', async () => {
    const client = await open(kind).connect();
    client.release();
    expect(() => client.release()).toThrow(
      'Release called on client which has already been released to the pool.',
    );
  });

  test.each([[new Error('broken')], [true]])('closes a client that is released with %s', async (error) => {
    const pool = open(kind);
    const client = await pool.connect();
    const pid = await pidOf(client);
    client.release(error);
    await until('it is gone', () => pool.totalCount === 0);
    expect(await pidOf(pool)).not.toBe(pid);
  });

  test('uses a connection again, the one that was used last', async () => {
    const pool = open(kind);
    const [one, other] = await Promise.all([pool.connect(), pool.connect()]);
    const pid = await pidOf(other);
    one.release();
    other.release();
    expect(await pidOf(pool)).toBe(pid);
  });

  test('waits no longer than connectionTimeoutMillis for a free connection', async () => {
    // Enough for the first connection on a busy machine.
    const pool = open(kind, { max: 1, connectionTimeoutMillis: 1_000 });
    const client = await pool.connect();
    expect(await saidBy(pool.connect())).toBe('timeout exceeded when trying to connect');
    expect(pool.waitingCount).toBe(0);
    client.release();
    await pool.query('SELECT 1');
  });

  test('waits no longer than connectionTimeoutMillis for a server that says nothing', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const pool = open(kind, { port, connectionTimeoutMillis: 100 });
    expect(await saidBy(pool.connect())).toMatch(/^Connection terminated/);
    silent.close();
  });

  test('tells a server that is not there, and a password that is wrong', async () => {
    expect(await saidBy(open(kind, { port: 1 }).query('SELECT 1'))).toContain('ECONNREFUSED');
    await expect(open(kind, { password: 'wrong' }).query('SELECT 1')).rejects.toMatchObject({
      code: '28P01',
    });
    await expect(open(kind, { database: 'nowhere' }).connect()).rejects.toMatchObject({ code: '3D000' });
  });

  test('closes what is idle for too long, but keeps min', async () => {
    const pool = open(kind, { idleTimeoutMillis: 30, min: 1 });
    const clients = await Promise.all([pool.connect(), pool.connect()]);
    for (const client of clients) client.release();
    await until('one is closed', () => pool.totalCount === 1);
    expect(pool.idleCount).toBe(1);
  });

  test('closes a connection after maxUses and after maxLifetimeSeconds', async () => {
    const used = open(kind, { maxUses: 2 });
    const pids = [await pidOf(used), await pidOf(used), await pidOf(used)];
    expect(pids[1]).toBe(pids[0]);
    expect(pids[2]).not.toBe(pids[0]);
    const aged = open(kind, { maxLifetimeSeconds: 0.05 });
    await aged.query('SELECT 1');
    await until('it is closed', () => aged.totalCount === 0);
  });

  test('a connection that the server ends while it is idle is dropped, and told', async () => {
    const pool = open(kind);
    const pid = await pidOf(pool);
    const told = once(pool, 'error');
    await postgres.primary.query('SELECT pg_terminate_backend($1)', [pid]);
    const [error] = (await told) as [{ code: string }];
    expect(error.code).toBe('57P01');
    expect(await pidOf(pool)).not.toBe(pid);
  });

  test('a client hears notices and notifications', async () => {
    const client = await open(kind).connect();
    const heard: unknown[] = [];
    client.on('notification', ({ channel, payload }: Notification) => heard.push([channel, payload]));
    client.on('notice', ({ message }) => heard.push(message));
    await client.query('LISTEN orders');
    await client.query(`NOTIFY orders, 'tea'`);
    await client.query(`DO $$ BEGIN RAISE NOTICE 'cup'; END $$`);
    expect(heard).toEqual([['orders', 'tea'], 'cup']);
    client.release(true);
  });

  test('passes on how to connect: string, password function, session settings', async () => {
    const { host, port } = postgres.primary;
    const settings = async (config: PoolConfig) => {
      const { rows } = await open(kind, config).query(
        `SELECT current_user AS user, current_setting('application_name') AS name,
                current_setting('statement_timeout') AS timeout, current_setting('work_mem') AS memory`,
      );
      return rows[0];
    };
    const url = `postgres://postgres:${encodeURIComponent(postgres.password)}@${host}:${port}/postgres?application_name=url`;
    expect(await settings({ connectionString: url, password: undefined })).toMatchObject({
      user: 'postgres',
      name: 'url',
    });
    expect(
      await settings({
        password: async () => postgres.password,
        statement_timeout: 1234,
        application_name: 'mine',
        options: '-c work_mem=7MB',
      }),
    ).toEqual({ user: 'postgres', name: 'mine', timeout: '1234ms', memory: '7MB' });
  });

  test('the end waits for clients that are out, and nothing begins after it', async () => {
    const pool = open(kind);
    const client = await pool.connect();
    const order: string[] = [];
    const ended = pool.end().then(() => order.push('ended'));
    expect([pool.ending, pool.ended]).toEqual([true, false]);
    await expect(pool.connect()).rejects.toThrow('Cannot use a pool after calling end on the pool');
    await expect(pool.query('SELECT 1')).rejects.toThrow('Cannot use a pool after calling end on the pool');
    await expect(pool.end()).rejects.toThrow('Called end on pool more than once');
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    order.push('answered');
    client.release();
    await ended;
    expect(order).toEqual(['answered', 'ended']);
    expect([pool.ended, pool.totalCount]).toEqual([true, 0]);
  });

  test('the end of a pool that was never used, by callback', async () => {
    const pool = open(kind);
    await new Promise<void>((resolve) => pool.end(resolve));
    expect(pool.ended).toBe(true);
  });

  test('with allowExitOnIdle a script ends by itself', async () => {
    const program = `
      import { Pool } from 'pg';
      import { RoutedPool } from './src/router/index.ts';
      const login = JSON.parse(process.env.LOGIN);
      const pool = new (${kind === 'pg.Pool' ? 'Pool' : 'RoutedPool'})({ ...login, allowExitOnIdle: true });
      console.log((await pool.query('SELECT 1 AS one')).rows[0].one);`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', program],
      {
        cwd: dirname(dirname(import.meta.dirname)),
        env: { ...process.env, LOGIN: JSON.stringify(loginTo(postgres)) },
        timeout: 8_000,
      },
    );
    expect(stdout.trim()).toBe('1');
  });
});

describe('RoutedPool does more', () => {
  test('who waits for a connection when the pool is ended is still served', async () => {
    const pool = open('RoutedPool', { max: 1 });
    const client = await pool.connect();
    const waiting = [pool.query('SELECT 1 AS one'), pool.connect()] as const;
    await until('both wait', () => pool.waitingCount === 2);
    const ended = pool.end();
    client.release();
    expect((await waiting[0]).rows).toEqual([{ one: 1 }]);
    (await waiting[1]).release();
    await ended;
    expect(pool.ended).toBe(true);
  });

  test('an error of SQL keeps the connection', async () => {
    const pool = open('RoutedPool');
    await pool.query('CREATE TABLE keeps (id int PRIMARY KEY)');
    await pool.query('INSERT INTO keeps VALUES (1)');
    const events = eventsOf(pool);
    for (let count = 0; count < 10; count += 1) {
      await expect(pool.query('INSERT INTO keeps VALUES (1)')).rejects.toMatchObject({ code: '23505' });
    }
    expect(new Set(events)).toEqual(new Set(['acquire', 'release']));
  });

  test.each([
    ['a transaction that is left open', 'BEGIN'],
    ['a setting', `SET application_name = 'left'`],
    ['a temporary table', 'CREATE TEMP TABLE left_behind (id int)'],
    ['a lock of the session', 'SELECT pg_advisory_lock(7)'],
  ])('%s goes with the client that made it', async (_, sql) => {
    const pool = open('RoutedPool', { max: 1 });
    const client = await pool.connect();
    const pid = await pidOf(client);
    await client.query(sql);
    client.release();
    expect(await pidOf(pool)).not.toBe(pid);
  });

  test('what one statement leaves in its session is gone after it', async () => {
    const pool = open('RoutedPool', { max: 1 });
    await pool.query(`SET application_name = 'left'`);
    const { rows } = await pool.query(`SELECT current_setting('application_name') AS name`);
    expect(rows).toEqual([{ name: '' }]);
  });

  test('a released client is not to be used any more', async () => {
    const client = (await open('RoutedPool').connect()) as PoolClient;
    client.release();
    await expect(client.query('SELECT 1')).rejects.toThrow('Client was closed and is not queryable');
  });

  test('it ends with the block that uses it', async () => {
    let pool: RoutedPool;
    {
      await using inside = new RoutedPool(loginTo(postgres));
      pool = inside;
      await pool.query('SELECT 1');
    }
    expect([pool.ended, pool.totalCount]).toEqual([true, 0]);
  });
});

test('replicas that cannot be told apart, or are none, are refused with every mistake at once', () => {
  const replicas = [
    { name: 'primary', host: 'db-2' },
    { name: 'other', host: 'db-3', port: 0, weight: -1 },
    { name: 'other', host: 'db-1' },
  ];
  expect(() => new RoutedPool({ host: 'db-1', port: 5432, replicaManager: { replicas } })).toThrow(
    'replicas[0].name must be a name of its own, not primary; ' +
      'replicas[1].port must be a port number from 1 to 65535, not 0; ' +
      'replicas[1].weight must be a number from 0 on, not -1; ' +
      'replicas[2].name must be a name of its own, not other; ' +
      'other has the address of primary (db-1:5432), name it only once',
  );
});
