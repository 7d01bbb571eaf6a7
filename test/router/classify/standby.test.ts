// What is called a read is executed on a real hot standby, which must neither refuse it nor show a trace of it
// afterwards; and the generated sets of functions are held against the catalog of the server.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { harmlessVolatile } from '../../../src/build/reviewedFunctions.ts';
import { safeFunctions, writingFunctions } from '../../../src/router/classify/builtinFunctions.ts';
import { Classifier } from '../../../src/router/classify/classifier.ts';
import { classify } from '../../../src/router/classify/classify.ts';
import type { ClassifySettings } from '../../../src/router/classify/classifySettings.ts';
import { readCatalog } from '../../../src/router/classify/readCatalog.ts';
import { testedServers } from '../../fixtures/newerPostgres.ts';
import { seeded } from '../../fixtures/propertySeed.ts';
import { startTemporaryPostgres, type TemporaryPostgres } from '../../fixtures/temporaryPostgres.ts';
import { adversarialCases } from './adversarialCases.ts';
import { query } from './statementArbitrary.ts';

interface Case {
  readonly sql: string;
  readonly kind: string;
  readonly standby15: string;
}

const corpus: readonly Case[] = JSON.parse(readFileSync('test/fixtures/routing-cases.json', 'utf8'));

// The objects that the corpus and the generated statements name.
const schema = `
  create table t (id int primary key, a int, note text, b int, c int);
  insert into t select i, i, 'one', i, i from generate_series(1, 5) i;
  create table jobs (id serial primary key, state text);
  create table orders (id int primary key, user_id int);
  create table kw (k int, nextval int, share int, note text, x int, a$b int, a int);
  create table "insert" (id int);
  create sequence s;
  create materialized view mv as select 1 as i;
  create view v_plain as select * from t;
  create view v_next as select nextval('s') as n;
  create view v_next_again as select * from v_next;
  create unlogged table u (id int);
  create function f_stable(int) returns int language sql stable as 'select $1';
  create function f_vol_write(int) returns int language sql as 'insert into jobs(state) values (''f''); select $1';
  create function f_vol_read(int) returns int language sql as 'select $1';
  create schema app;
  create function app.lower(text) returns text language sql as 'insert into jobs(state) values (''l''); select $1';
  create function is_odd(t) returns boolean language sql as 'select $1.id % 2 = 1';
  create view app."Odd" as select app.lower('x');
  create table guarded (id int);
  alter table guarded enable row level security;
  create policy p on guarded for select using (f_vol_read(1) = 1);`;

const settings: ClassifySettings = { allowFunctions: ['f_stable'], primaryRelations: ['v_next'] };

/** What a statement could leave behind on a standby although it was not refused. */
const tracesSql = `
  select (select count(*) from pg_locks where locktype = 'advisory')::int as locks,
         (select count(*) from pg_replication_slots)::int as slots,
         (select count(*) from pg_prepared_statements)::int as prepared,
         (select count(*) from pg_cursors)::int as cursors,
         (select count(*) from pg_listening_channels())::int as channels,
         (select md5(string_agg(name || setting, ',' order by name)) from pg_settings
            where name not like 'transaction\\_%') as settings,
         (select md5(string_agg(datname || coalesce(stats_reset::text, ''), ',')) from pg_stat_database) as resets,
         pg_is_in_recovery() as standby, pg_is_wal_replay_paused() as paused`;

let postgres: TemporaryPostgres;
let client: Client;

/** The SQLSTATE with which the standby refuses, or nothing. */
async function refusal(sql: string): Promise<string | undefined> {
  try {
    // A statement that copies to the client waits for nobody: as text it is sent with nothing to read it.
    await client.query(/^\s*copy/i.test(sql) ? sql.replace(/to\s+stdout.*$/i, "to '/dev/null'") : sql);
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  } finally {
    if (client.getTransactionStatus() !== 'I') await client.query('rollback');
  }
}

async function traces(): Promise<unknown> {
  return (await client.query(tracesSql)).rows[0];
}

const isRefusal = (state: string | undefined) => ['25006', '55000', '0A000', 'XX000'].includes(state ?? '');

/** A type to cast to, for those that stand for many. */
function concrete(type: string): string {
  if (/^any.*array$/.test(type)) return 'int[]';
  if (/^any.*multirange$/.test(type)) return 'int4multirange';
  if (/^any.*range$/.test(type)) return 'int4range';
  return /^"?any/.test(type) ? 'text' : type;
}

describe.each(testedServers)('$label', ({ version }) => {
  beforeAll(async () => {
    postgres = await startTemporaryPostgres({ replicas: 1, version });
    await postgres.primary.query(schema);
    await postgres.caughtUp();
    const [replica] = postgres.replicas;
    if (replica === undefined) throw new Error('the fixture started no replica');
    client = new Client({
      host: replica.socketDirectory,
      port: replica.port,
      user: postgres.user,
      database: 'postgres',
      statement_timeout: 5_000,
    });
    await client.connect();
  }, 60_000);

  afterAll(async () => {
    await client?.end();
    await postgres?.[Symbol.asyncDispose]();
  });

  test('the standby takes every read of the corpus and shows no trace of it', async () => {
    const reads = corpus.filter(({ sql }) => classify(sql, settings).route === 'replica');
    const before = await traces();

    const refused: string[] = [];
    for (const { sql, kind } of reads) {
      const state = await refusal(sql);
      if (state !== undefined && kind !== 'pg19') refused.push(`${state}: ${sql}`);
      expect({ sql, traces: await traces() }).toEqual({ sql, traces: before });
    }

    expect(reads.length).toBeGreaterThan(70);
    expect(refused).toEqual([]);
  }, 60_000);

  test('the standby refuses no adversarial case that is called a read', async () => {
    const before = await traces();
    const refused: string[] = [];
    for (const [sql] of adversarialCases.filter(([sql]) => classify(sql).route === 'replica')) {
      const state = await refusal(sql);
      if (isRefusal(state)) refused.push(`${state}: ${sql}`);
      expect({ sql, traces: await traces() }).toEqual({ sql, traces: before });
    }

    expect(refused).toEqual([]);
  }, 60_000);

  test('the standby refuses no generated query that is called a read', async () => {
    const before = await traces();
    await fc.assert(
      fc.asyncProperty(query(false), async (sql) => {
        if (classify(sql).route !== 'replica') return;
        expect({ sql, isRefused: isRefusal(await refusal(sql)) }).toEqual({ sql, isRefused: false });
      }),
      seeded({ numRuns: 300 }),
    );
    expect(await traces()).toEqual(before);
  }, 60_000);

  test('the test sees what a wrong verdict would do', async () => {
    const before = await traces();

    expect(await refusal("select nextval('s')")).toBe('25006');
    expect(await refusal('select pg_current_wal_lsn()')).toBe('55000');
    expect(await refusal('select * from u')).toBe('0A000');
    await client.query('select pg_advisory_lock(1)');
    expect(await traces()).not.toEqual(before);
    await client.query('select pg_advisory_unlock(1)');
    expect(await traces()).toEqual(before);
  });

  test('a large object is opened on the primary, also where a standby of this version would let it be written to', async () => {
    await postgres.primary.query('select lo_create(4711)');
    await postgres.caughtUp();
    const sql = 'select lo_open(4711, 131072)';
    const { rows } = await client.query('show server_version_num');

    expect(classify(sql).route).toBe('primary');
    expect(await refusal(sql)).toBe(Number(rows[0].server_version_num) < 160_000 ? undefined : '25006');
  });

  test('every function of this server is in the set that its volatility asks for', async () => {
    const { rows } = await client.query<{ name: string; is_volatile: boolean }>(`
    select proname as name, bool_or(provolatile = 'v') as is_volatile from pg_proc
    where pronamespace = 'pg_catalog'::regnamespace and prorettype::regtype::text !~ 'internal|trigger|handler'
      and not 'internal'::regtype = any (proargtypes) and proname !~ '_validator$'
    group by 1`);
    const safe = new Set(safeFunctions.trim().split(/\s+/));
    const writing = new Set(writingFunctions.trim().split(/\s+/));
    const volatile = new Map(rows.map((row) => [row.name, row.is_volatile]));

    expect([...safe].filter((name) => writing.has(name))).toEqual([]);
    const reviewed = new Set(Object.values(harmlessVolatile).flatMap((lines) => lines.join(' ').split(' ')));
    const harmless = [...safe].filter((name) => volatile.get(name) === true);
    expect(harmless.length).toBeGreaterThan(50);
    expect(harmless.filter((name) => !reviewed.has(name))).toEqual([]);
    expect([...volatile].filter(([name, is]) => is && !safe.has(name) && !writing.has(name))).toEqual([]);
  });

  test('the standby refuses no function of the safe set that the primary takes, whatever it is called with', async () => {
    const before = await traces();
    const { rows } = await client.query<{ name: string; types: string[] }>(`
    select proname as name, array(select format_type(type, null) from unnest(proargtypes) type) as types
    from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname <> all ('{pg_sleep,pg_sleep_for}')`);
    const safe = new Set(safeFunctions.trim().split(/\s+/));
    const called = rows.filter(({ name }) => safe.has(name));
    const refused: string[] = [];
    for (const { name, types } of called) {
      for (const value of ["'1'", 'null']) {
        const sql = `select pg_catalog."${name}"(${types.map((type) => `${value}::${concrete(type)}`).join(', ')})`;
        const state = await refusal(sql);
        if (isRefusal(state) && (await postgres.primary.query(sql).catch(() => undefined)) !== undefined) {
          refused.push(`${state}: ${sql}`);
        }
      }
    }

    expect(called.length).toBeGreaterThan(2_000);
    expect(refused).toEqual([]);
    expect(await traces()).toEqual(before);
  }, 60_000);

  test('the catalog tells which functions only read and which relations write', async () => {
    const found = await readCatalog((sql) => client.query(sql));

    expect(found.allowFunctions).toContain('f_stable');
    expect(found.allowFunctions).toContain('public.f_stable');
    expect(found.allowFunctions).not.toContain('f_vol_read');
    expect(found.denyFunctions).toEqual(['lower']);
    expect(found.primaryRelations?.toSorted()).toEqual(
      [
        'app."Odd"',
        '"Odd"',
        'guarded',
        'jobs_id_seq',
        'is_odd',
        'public.guarded',
        'public.jobs_id_seq',
        'public.s',
        'public.u',
        'public.v_next',
        'public.v_next_again',
      ]
        .concat(['s', 'u', 'v_next', 'v_next_again'])
        .toSorted(),
    );
  });

  test('with the catalog the statements that only it can judge are routed right', async () => {
    const classifier = new Classifier();
    classifier.useCatalog(await readCatalog((sql) => client.query(sql)));

    const routes = [
      'select f_stable(1)',
      'select public.f_stable(1) from v_plain',
      'select * from v_next_again',
      'select * from app."Odd"',
      'select t.is_odd from t',
      'select * from u',
      'select last_value from s',
      'select lower($1)',
      'select f_vol_read(1)',
      'select upper(note) from t',
    ].map((sql) => [sql, classifier.verdictOf(sql).route]);

    expect(routes).toEqual([
      ['select f_stable(1)', 'replica'],
      ['select public.f_stable(1) from v_plain', 'replica'],
      ['select * from v_next_again', 'primary'],
      ['select * from app."Odd"', 'primary'],
      ['select t.is_odd from t', 'primary'],
      ['select * from u', 'primary'],
      // The text alone does not say that it is a sequence, so the corpus calls it a read.
      ['select last_value from s', 'primary'],
      ['select lower($1)', 'primary'],
      ['select f_vol_read(1)', 'primary'],
      ['select upper(note) from t', 'replica'],
    ]);
  });
});
