import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Classifier } from '../../../src/router/classify/classifier.ts';
import { classify } from '../../../src/router/classify/classify.ts';
import { fingerprintOf } from '../../../src/router/classify/fingerprint.ts';
import { judgeCatalog } from '../../../src/router/classify/readCatalog.ts';
import { VerdictCache } from '../../../src/router/classify/verdictCache.ts';
import { seeded } from '../../fixtures/propertySeed.ts';
import { changedStatement } from './statementArbitrary.ts';

test('a verdict is made once and then kept, whatever tracing adds behind the statement', () => {
  const classifier = new Classifier();
  const first = classifier.verdictOf("SELECT 1 /*traceparent='00-a-01'*/");

  expect(classifier.verdictOf("SELECT 1 /*traceparent='00-b-01'*/")).toBe(first);
});

test('leaving out the last comment never makes a read of what is none', () => {
  const classifier = new Classifier();
  const endings = [
    '/* x */',
    "/* ' */",
    '/* $$ */',
    '/* " */',
    '/* -- */',
    '/* a\n */',
    '*/',
    '/* */ */',
    '-- */',
  ];

  fc.assert(
    fc.property(
      changedStatement,
      fc.constantFrom('', "'", '"', '$$', '--', '/*', '\n'),
      fc.constantFrom(...endings),
      (sql, opened, ending) => {
        const text = `${sql}${opened}${ending}`;
        if (classify(text).route !== 'replica') {
          expect({ text, route: classifier.verdictOf(text).route }).not.toEqual({ text, route: 'replica' });
        }
      },
    ),
    seeded({ numRuns: 4_000 }),
  );
  expect(classifier.verdictOf('SELECT 1 -- /* \n; DELETE FROM t -- */').route).toBe('primary');
});

test('what a replica has refused goes to the primary from then on, with any values', () => {
  const classifier = new Classifier();
  expect(classifier.verdictOf("SELECT n FROM v_next WHERE a = 'x'").route).toBe('replica');

  classifier.learn("SELECT n FROM v_next WHERE a = 'x'", '25006');

  expect(classifier.verdictOf('select n\nfrom V_NEXT where a = $1 -- again')).toEqual({
    route: 'primary',
    rule: 'learned',
    position: 0,
    pins: 'nothing',
  });
  expect(classifier.verdictOf('SELECT n FROM v_next WHERE b = 1').route).toBe('replica');
});

test('what is learned can be given to another classifier', () => {
  const classifier = new Classifier();
  classifier.learn('SELECT * FROM a WHERE id IN (1, 2, 3)', '0A000');
  classifier.learn('SELECT * FROM b', '55000');

  const learned = classifier.exportLearned();
  const other = new Classifier({ learned: JSON.parse(JSON.stringify(learned)) });

  expect(learned).toEqual([
    { fingerprint: 'select * from a where id in ( ? )', sqlState: '0A000' },
    { fingerprint: 'select * from b', sqlState: '55000' },
  ]);
  expect(other.verdictOf('SELECT * FROM a WHERE id IN (4)').rule).toBe('learned');
});

test('other errors, and statements of the primary, teach nothing', () => {
  const classifier = new Classifier();

  classifier.learn('SELECT * FROM missing', '42P01');
  classifier.learn('DELETE FROM t', '25006');

  expect(classifier.exportLearned()).toEqual([]);
});

test('what is learned is bounded, and the oldest is forgotten', () => {
  const classifier = new Classifier();

  for (let index = 0; index < 1_100; index += 1) classifier.learn(`SELECT * FROM t${index}`, '25006');

  expect(classifier.exportLearned().length).toBe(1_000);
  expect(classifier.verdictOf('SELECT * FROM t0').route).toBe('replica');
  expect(classifier.verdictOf('SELECT * FROM t1099').route).toBe('primary');
});

test('the cache keeps what is asked for, and never more than two generations', () => {
  const cache = new VerdictCache();
  const verdict = classify('SELECT 1');
  cache.set('often', verdict);

  for (let index = 0; index < 30_000; index += 1) {
    cache.set(`once ${index}`, verdict);
    cache.get('often');
  }

  expect(cache.get('often')).toBe(verdict);
  expect(cache.get('once 0')).toBeUndefined();
  expect(cache.size).toBeLessThanOrEqual(10_000);
});

test('long texts are not kept, and many of some length are bounded by their characters', () => {
  const cache = new VerdictCache();
  const verdict = classify('SELECT 1');

  cache.set('x'.repeat(20_000), verdict);
  expect(cache.size).toBe(0);
  for (let index = 0; index < 2_000; index += 1) cache.set(`${index}`.padEnd(10_000), verdict);
  expect(cache.size).toBeLessThanOrEqual(800);
});

test('a fingerprint leaves out what changes from call to call', () => {
  expect(
    fingerprintOf("/* a */ SELECT X, \"Y\" FROM t WHERE a=-1.5 AND b IN ($1, $2) AND c = E'\\'' -- end"),
  ).toBe('select x , "Y" from t where a = - ? and b in ( ? ) and c = ?');
  expect(fingerprintOf('select 1;')).toBe(fingerprintOf('SELECT\n2'));
  expect(fingerprintOf(`SELECT ${'a,'.repeat(5_000)}b`).length).toBeLessThanOrEqual(2_000);
});

test('of the rows of a catalog, settings are made', () => {
  const found = judgeCatalog({
    functions: [
      { schema: 'app', name: 'total', isVolatile: false, isColumn: false },
      { schema: 'app', name: 'both', isVolatile: false, isColumn: false },
      { schema: 'other', name: 'both', isVolatile: true, isColumn: false },
      { schema: 'public', name: 'crosstab', isVolatile: false, isColumn: false },
      { schema: 'app', name: 'Upper', isVolatile: false, isColumn: false },
    ],
    views: [
      { schema: 'app', name: 'inner', body: "select nextval('s')" },
      { schema: 'app', name: 'outer', body: 'select * from app."inner"' },
      { schema: 'app', name: 'fine', body: 'select app.total(1)' },
    ],
    primaryOnly: [{ schema: 'app', name: 'scratch' }],
  });

  expect(found).toEqual({
    allowFunctions: ['app.total', 'app.both', 'app."Upper"', 'total', '"Upper"'],
    denyFunctions: [],
    primaryRelations: ['scratch', 'app.scratch', 'inner', 'app.inner', 'outer', 'app.outer'],
  });
});
