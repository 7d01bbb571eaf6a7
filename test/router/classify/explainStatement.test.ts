import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { classify } from '../../../src/router/classify/classify.ts';
import { explainStatement } from '../../../src/router/classify/explainStatement.ts';
import { rules } from '../../../src/router/classify/rules.ts';
import { seeded } from '../../fixtures/propertySeed.ts';

test('an explanation names the token and points at it', () => {
  const sql = "select a,\n\tapp.mine(b)\nfrom t where c = 'x'";

  expect(explainStatement(sql)).toEqual({
    verdict: classify(sql),
    token: 'app.mine',
    line: 2,
    column: 2,
    reason:
      'primary: `app.mine` at line 2, column 2: nobody has said that the function only reads: allow it, or read the catalog (function-unknown)',
    text: [
      'primary: `app.mine` at line 2, column 2: nobody has said that the function only reads: allow it, or read the catalog (function-unknown)',
      '   app.mine(b)',
      '   ^^^^^^^^',
    ].join('\n'),
  });
});

test('what stays with the connection is told', () => {
  expect(explainStatement('listen jobs').reason).toMatch(/^primary, and the session stays there: /);
  expect(explainStatement('begin').reason).toMatch(/^primary, and the transaction stays there: /);
});

test('in a long line the arrow stays below the token', () => {
  const sql = `select ${'a, '.repeat(500)}nextval('s')${', b'.repeat(500)}`;
  const [, line = '', arrow = ''] = explainStatement(sql).text.split('\n');

  expect(line.length).toBeLessThan(110);
  expect(line.slice(arrow.indexOf('^'), arrow.lastIndexOf('^') + 1)).toBe('nextval');
});

test('any text can be explained', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (sql) => {
      const { line, column, text } = explainStatement(sql);
      expect(line).toBeGreaterThan(0);
      expect(column).toBeGreaterThan(0);
      expect(text.split('\n').length).toBeGreaterThanOrEqual(3);
    }),
    seeded({ numRuns: 2_000 }),
  );
});

test('the reference lists every rule with its route and its reason', () => {
  const reference = readFileSync('docs/reference/routing.md', 'utf8');
  const rows = [...reference.matchAll(/^\| `([a-z-]+)` \| (\w+) \| (.*?) \|$/gm)].map(
    ([, ...cells]) => cells,
  );

  expect(rows).toEqual(Object.entries(rules).map(([name, { route, because }]) => [name, route, because]));
});
