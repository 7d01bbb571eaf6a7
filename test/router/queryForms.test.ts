// Every way to call `query`, on the pool and on a client, with the same outcome as `pg`.

import { once } from 'node:events';
import pg, { type Pool, type PoolClient, Query, type QueryResult } from 'pg';
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { testedServers } from '../fixtures/newerPostgres.ts';
import { poolKinds, poolOf } from '../fixtures/poolKinds.ts';
import { startTemporaryPostgres, type TemporaryPostgres } from '../fixtures/temporaryPostgres.ts';

const [machine, newest] = testedServers;
const subjects = [
  ...poolKinds.map((kind) => ({ kind, ...machine })),
  { kind: 'RoutedPool with a replica', ...newest } as const,
];
const running = new Map<string, TemporaryPostgres>();
const opened: Pool[] = [];

beforeAll(async () => {
  for (const { label, version } of [machine, newest]) {
    const postgres = await startTemporaryPostgres({ replicas: 1, version });
    running.set(label, postgres);
    await postgres.primary.query('CREATE TABLE orders (id int PRIMARY KEY, item text NOT NULL)');
    await postgres.primary.query(`INSERT INTO orders VALUES (1, 'tea'), (2, 'cup')`);
    await postgres.caughtUp();
  }
}, 60_000);
afterEach(() => Promise.all(opened.splice(0).map((pool) => pool.end())));
afterAll(async () => {
  for (const postgres of running.values()) await postgres[Symbol.asyncDispose]();
});

type Asker = Pick<PoolClient, 'query'>;
const byCallback = (ask: (callback: (error: Error, result: QueryResult) => void) => void) =>
  new Promise<QueryResult>((resolve, reject) =>
    ask((error, result) => (error ? reject(error) : resolve(result))),
  );

const textOne = 'SELECT item FROM orders WHERE id = 1';
const text = 'SELECT item FROM orders WHERE id = $1';
const binary = { text: 'SELECT 7 AS n', binary: true };
const asText = { getTypeParser: () => (value: unknown) => `<${String(value)}>` } as never;

const forms: readonly (readonly [string, (on: Asker) => Promise<unknown>, unknown])[] = [
  ['text', async (on) => (await on.query(textOne)).rows, [{ item: 'tea' }]],
  ['text and values', async (on) => (await on.query(text, [2])).rows, [{ item: 'cup' }]],
  ['text and no values', async (on) => (await on.query(textOne, [])).rows, [{ item: 'tea' }]],
  ['config', async (on) => (await on.query({ text: textOne })).rows, [{ item: 'tea' }]],
  ['config with values', async (on) => (await on.query({ text, values: [2] })).rows, [{ item: 'cup' }]],
  ['config and values', async (on) => (await on.query({ text, values: [1] }, [2])).rows, [{ item: 'cup' }]],
  ['config with a getter', async (on) => (await on.query(new Template(2))).rows, [{ item: 'cup' }]],
  ['rowMode array', async (on) => (await on.query({ text, values: [1], rowMode: 'array' })).rows, [['tea']]],
  [
    'types',
    async (on) => (await on.query({ text: 'SELECT id FROM orders WHERE id = 1', types: asText })).rows[0],
    { id: '<1>' },
  ],
  ['binary', async (on) => (await on.query(binary)).rows, [{ n: 7 }]],
  ['a named statement, twice', (on) => twice(on), ['tea', 'cup']],
  ['callback', async (on) => (await byCallback((done) => on.query(textOne, done))).rows, [{ item: 'tea' }]],
  [
    'values and callback',
    async (on) => (await byCallback((done) => on.query(text, [2], done))).rows,
    [{ item: 'cup' }],
  ],
  [
    'config and callback',
    async (on) => (await byCallback((done) => on.query({ text, values: [2] }, done))).rows,
    [{ item: 'cup' }],
  ],
  ['several statements', async (on) => commands(await on.query(`SELECT 1; SELECT 2`)), ['SELECT', 'SELECT']],
  ['an empty statement', async (on) => (await on.query('')).rows, []],
  [
    'the shape of a result',
    async (on) => shapeOf(await on.query(text, [1])),
    { command: 'SELECT', rowCount: 1, oid: null, fields: ['item'] },
  ],
  [
    'a write',
    async (on) => shapeOf(await on.query(`UPDATE orders SET item = 'tea' WHERE id = 1`)),
    { command: 'UPDATE', rowCount: 1, oid: null, fields: [] },
  ],
];

/** As the templates of query builders: the text comes from the prototype. */
class Template {
  readonly values: number[];
  constructor(id: number) {
    this.values = [id];
  }
  get text(): string {
    return text;
  }
}

async function twice(on: Asker): Promise<unknown[]> {
  const first = await on.query({ name: 'item', text, values: [1] });
  const second = await on.query({ name: 'item', text, values: [2] });
  return [first.rows[0].item, second.rows[0].item];
}

const commands = (results: unknown) => (results as QueryResult[]).map(({ command }) => command);
const shapeOf = ({ command, rowCount, oid, fields }: QueryResult) => ({
  command,
  rowCount,
  oid,
  fields: fields.map(({ name }) => name),
});

const failures: readonly (readonly [string, (on: Asker) => Promise<unknown>, object])[] = [
  [
    'a duplicate key',
    (on) => on.query(`INSERT INTO orders VALUES (1, 'tea')`),
    {
      code: '23505',
      severity: 'ERROR',
      detail: 'Key (id)=(1) already exists.',
      table: 'orders',
      constraint: 'orders_pkey',
      message: 'duplicate key value violates unique constraint "orders_pkey"',
    },
  ],
  ['a syntax error', (on) => on.query('SELEC 1'), { code: '42601', position: '1' }],
  ['an undefined column', (on) => on.query('SELECT nothing FROM orders'), { code: '42703', position: '8' }],
  [
    'an error of a callback form',
    (on) => byCallback((done) => on.query('SELECT 1/0', done)),
    { code: '22012' },
  ],
  ['too few values', (on) => on.query(text, []), { code: '42P02' }],
  [
    'values that are no array',
    (on) => on.query(text, 1 as never),
    { message: 'Query values must be an array' },
  ],
  [
    'a name for two statements',
    async (on) => {
      await on.query({ name: 'same', text: textOne });
      await on.query({ name: 'same', text: 'SELECT 2' });
    },
    { message: `Prepared statements must be unique - 'same' was used for a different statement` },
  ],
  [
    'neither text nor name',
    (on) => on.query({} as never),
    { message: 'A query must have either text or a name. Supplying neither is unsupported.' },
  ],
];

describe.each(subjects)('$kind, $label', ({ kind, label }) => {
  const open = (): Pool => {
    const postgres = running.get(label);
    if (postgres === undefined) throw new Error(`${label} runs`);
    const pool = poolOf(kind, postgres);
    opened.push(pool);
    return pool;
  };

  test.each(forms)('the pool takes %s', async (_, ask, answer) => {
    expect(await ask(open())).toEqual(answer);
  });

  test.each(forms)('a client takes %s', async (_, ask, answer) => {
    const client = await open().connect();
    expect(await ask(client)).toEqual(answer);
    client.release();
  });

  test.each(failures)('the pool tells %s as the driver does', async (_, ask, error) => {
    expect(await ask(open()).catch((it: unknown) => it)).toMatchObject(error);
  });

  test.each(failures)('a client tells %s as the driver does, and can go on', async (_, ask, error) => {
    const client = await open().connect();
    expect(await ask(client).catch((it: unknown) => it)).toMatchObject(error);
    expect((await client.query(textOne)).rows).toEqual([{ item: 'tea' }]);
    client.release();
  });

  test('errors of the server are instances of the class of the driver', async () => {
    const error = await open()
      .query('SELECT 1/0')
      .catch((it: unknown) => it);
    expect(error).toBeInstanceOf(pg.DatabaseError);
  });

  test('nothing and a function are refused', async () => {
    const pool = open();
    const told = await new Promise<Error>((resolve) => pool.query(resolve as never));
    expect(told.message).toContain('Passing a function as the first parameter');
    await expect(pool.query(null as never)).rejects.toThrow('Client was passed a null or undefined query');
    const client = await pool.connect();
    expect(() => client.query(null as never)).toThrow('Client was passed a null or undefined query');
    client.release();
  });

  test.each([
    'SELECT 1/0',
    { text: 'SELECT 1/0' },
    'SELECT nothing FROM orders',
    'INSERT INTO nothing VALUES (1)',
  ])('the stack of the error of %j leads back to who asked, not to the socket', async (config) => {
    const pool = open();
    const whoAsks = async () => await pool.query(config as string);
    const { stack } = (await whoAsks().catch((error: unknown) => error)) as Error;
    expect(stack).toContain('whoAsks');
    expect(stack).not.toContain('pg-protocol');
  });

  test('queries of a client that are not awaited run in the order of the calls', async () => {
    const client = await open().connect();
    const results = await Promise.all(
      [
        'BEGIN',
        `INSERT INTO orders VALUES (9, 'jug')`,
        'SELECT item FROM orders WHERE id = 9',
        'ROLLBACK',
      ].map((it) => client.query(it)),
    );
    expect(results.map(({ command }) => command)).toEqual(['BEGIN', 'INSERT', 'SELECT', 'ROLLBACK']);
    expect(results[2]?.rows).toEqual([{ item: 'jug' }]);
    client.release();
  });

  test.each(['SELECT id FROM orders ORDER BY id', 'SELECT id FROM orders ORDER BY id FOR UPDATE'])(
    'a cursor reads %s in steps',
    async (sql) => {
      const client = await open().connect();
      const cursor = client.query(new Cursor(sql));
      expect(await cursor.read(1)).toEqual([{ id: 1 }]);
      expect(await cursor.read(5)).toEqual([{ id: 2 }]);
      await cursor.close();
      expect((await client.query(textOne)).rows).toEqual([{ item: 'tea' }]);
      client.release();
    },
  );

  test('a cursor tells its error where it is read', async () => {
    const client = await open().connect();
    const cursor = client.query(new Cursor('SELECT 1/0'));
    await expect(cursor.read(1)).rejects.toMatchObject({ code: '22012' });
    await cursor.close();
    client.release();
  });

  test('a stream of rows runs on a client and on the pool', async () => {
    const pool = open();
    const client = await pool.connect();
    const rows: unknown[] = [];
    for await (const row of client.query(new QueryStream('SELECT id FROM orders ORDER BY id')))
      rows.push(row);
    client.release();
    expect(rows).toEqual([{ id: 1 }, { id: 2 }]);

    const stream = new QueryStream('SELECT id FROM orders ORDER BY id');
    void pool.query(stream);
    const again: unknown[] = [];
    for await (const row of stream) again.push(row);
    expect(again).toEqual(rows);
  });

  test('a query object of the driver tells its rows one by one', async () => {
    const client = await open().connect();
    const query = client.query(new Query('SELECT id FROM orders ORDER BY id'));
    const rows: unknown[] = [];
    query.on('row', (row) => rows.push(row));
    await once(query, 'end');
    expect(rows).toEqual([{ id: 1 }, { id: 2 }]);
    const failing = client.query(new Query('SELECT 1/0'));
    expect(await once(failing, 'error')).toMatchObject([{ code: '22012' }]);
    client.release();
  });

  test('a client has the helpers of the driver, and its own parsers', async () => {
    const client = await open().connect();
    expect(client.escapeIdentifier('a"b')).toBe('"a""b"');
    expect(client.escapeLiteral(`it's`)).toBe(`'it''s'`);
    client.setTypeParser(23, (value: string) => `<${value}>`);
    expect((await client.query('SELECT id FROM orders WHERE id = 1')).rows).toEqual([{ id: '<1>' }]);
    expect((await client.query({ text: 'SELECT id FROM orders WHERE id = $1' }, [2])).rows).toEqual([
      { id: '<2>' },
    ]);
    expect((client.getTypeParser(23) as (value: string) => unknown)('3')).toBe('<3>');
    expect(client.getTransactionStatus()).toBe('I');
    await client.query('BEGIN');
    expect(client.getTransactionStatus()).toBe('T');
    await client.query('ROLLBACK');
    await expect(client.connect()).rejects.toThrow('Client has already been connected');
    client.release();
  });
});
