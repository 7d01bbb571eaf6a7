import { expect, test } from 'vitest';
import { classify, maxTextLength } from '../../../src/router/classify/classify.ts';
import { adversarialCases } from './adversarialCases.ts';

test.each(adversarialCases.map((it) => [it[0], it] as const))(
  '%s',
  (sql, [, route, rule, pins = 'nothing']) => {
    expect(classify(sql)).toEqual({ route, rule, pins, position: expect.any(Number) });
  },
);

test('the position is that of the token that decides', () => {
  const at = (sql: string) => sql.slice(classify(sql).position).slice(0, 12);

  expect(at("SELECT a, app.mine(nextval('s'))")).toBe("nextval('s')");
  expect(at('SELECT a, app.mine(1) FROM t')).toBe('app.mine(1) ');
  expect(at('SELECT 1; /* x */ DELETE FROM t')).toBe('DELETE FROM ');
  expect(at("SELECT 'a")).toBe("'a");
});

test('a text that is too long to read goes to the primary', () => {
  const sql = `SELECT 1 -- ${'x'.repeat(maxTextLength)}`;

  expect(classify(sql)).toEqual({ route: 'primary', rule: 'too-long', position: 0, pins: 'nothing' });
});

test('a list of ten thousand values and a thousand parentheses are read', () => {
  const many = `SELECT * FROM t WHERE a IN (${Array.from({ length: 10_000 }, (_, index) => `$${index + 1}`).join(', ')})`;
  const deep = `SELECT ${'('.repeat(1_000)}1${')'.repeat(1_000)}`;
  const tooDeep = `SELECT ${'('.repeat(100_000)}`;

  expect(classify(many).route).toBe('replica');
  expect(classify(deep).route).toBe('replica');
  expect(classify(tooDeep).rule).toBe('unreadable');
});

test('allowed functions are those of the list, and built-in functions that write stay on the primary', () => {
  const settings = {
    allowFunctions: ['mine', 'app.f', 'st_*', 'reports.*', '"Mixed"', 'app."X"', 'nextval'],
  };
  const routes = (sql: string) => classify(sql, settings).route;

  for (const call of [
    'mine(1)',
    'MINE(1)',
    'app.f(1)',
    'st_within(1)',
    'reports.x(1)',
    '"Mixed"(1)',
    'app."X"(1)',
  ]) {
    expect([call, routes(`SELECT ${call}`)]).toEqual([call, 'replica']);
  }
  for (const call of ['app.mine(1)', 'f(1)', 'other.st_x(1)', 'mixed(1)', 'app.x(1)', "nextval('s')"]) {
    expect([call, routes(`SELECT ${call}`)]).toEqual([call, 'primary']);
  }
});

test('denied functions are stronger than allowed ones, with any schema', () => {
  const settings = { allowFunctions: ['mine', 'app.mine'], denyFunctions: ['mine', 'lower'] };

  for (const sql of ['SELECT mine(1)', 'SELECT app.mine(1)', "SELECT lower('x')"]) {
    expect(classify(sql, settings)).toMatchObject({ route: 'primary', rule: 'function-writes' });
  }
});

test('what is denied can be let through to the primary, and nowhere else', () => {
  const settings = { allowDenied: ['pg_promote', 'ALTER SYSTEM'] };

  expect(classify('SELECT pg_promote()', settings)).toMatchObject({
    route: 'primary',
    rule: 'function-writes',
  });
  expect(classify('ALTER SYSTEM RESET ALL', settings)).toMatchObject({ route: 'primary', rule: 'write' });
  expect(classify('SELECT pg_wal_replay_pause()', settings).route).toBe('denied');
});

test('relations of the list go to the primary, as names but not as labels', () => {
  const settings = { primaryRelations: ['v', 'app.w'] };
  const routes = (sql: string) => classify(sql, settings).route;

  expect(
    ['SELECT * FROM v', 'TABLE public."v"', 'SELECT 1 FROM app.w', 'COPY app.w TO STDOUT'].map(routes),
  ).toEqual(Array(4).fill('primary'));
  expect(['SELECT 1 AS v', 'SELECT * FROM w', "SELECT 'v'", 'EXPLAIN SELECT * FROM v'].map(routes)).toEqual(
    Array(4).fill('replica'),
  );
});

test('where backslashes escape in every literal, the settings say so', () => {
  const sql = "SELECT '\\'' ; DELETE FROM t --'";

  expect(classify(sql).route).toBe('replica');
  expect(classify(sql, { standardConformingStrings: false }).route).toBe('primary');
});
