// The classifier against PostgreSQL's own grammar: on queries they must agree both ways, and of everything else
// nothing that the grammar calls a change may go to a replica.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { classify } from '../../../src/router/classify/classify.ts';
import { seeded } from '../../fixtures/propertySeed.ts';
import { askParser } from './parserOracle.ts';
import { changedStatement, elaborate, query } from './statementArbitrary.ts';

/** Statements that may go to a replica for what they are; the cases of the corpus cover when. */
const othersThatRead = ['SelectStmt', 'VariableShowStmt', 'ExplainStmt', 'CopyStmt', 'TransactionStmt'];

test.each(elaborate)('the grammar reads %s', (sql) => {
  expect(askParser(sql)).toBeDefined();
});

test('every grammatical query without a write, a lock and an unknown function goes to a replica', () => {
  fc.assert(
    fc.property(query(true), (sql) => {
      expect(askParser(sql)?.findings).toEqual([]);
      expect(classify(sql)).toMatchObject({ route: 'replica', rule: 'read' });
    }),
    seeded({ numRuns: 1_500 }),
  );
});

test('of grammatical queries exactly those go to a replica in which the grammar finds nothing', () => {
  fc.assert(
    fc.property(query(false), (sql) => {
      const opinion = askParser(sql);
      if (opinion === undefined) return;
      expect({ sql, isRead: classify(sql).route === 'replica' }).toEqual({
        sql,
        isRead: opinion.findings.length === 0,
      });
    }),
    seeded({ numRuns: 3_000 }),
  );
});

test('what a change of some tokens makes of a known statement is never sent to a replica wrongly', () => {
  let reads = 0;
  let readsOnPrimary = 0;
  fc.assert(
    fc.property(changedStatement, (sql) => {
      const opinion = askParser(sql);
      if (opinion === undefined) return;
      const { route } = classify(sql);
      const kinds = opinion.statements;
      const isSafe = opinion.findings.length === 0 || kinds.includes('ExplainStmt');
      const isRead =
        isSafe && (kinds.every((kind) => othersThatRead.includes(kind)) || isSetInTransaction(kinds));
      if (!isRead) expect({ sql, route }).not.toEqual({ sql, route: 'replica' });
      if (!isRead || !kinds.every((kind) => kind === 'SelectStmt')) return;
      reads += 1;
      if (route !== 'replica') readsOnPrimary += 1;
    }),
    seeded({ numRuns: 12_000 }),
  );
  expect(reads).toBeGreaterThan(300);
  // Nobody writes these: `name (…) 'text'` is a literal of a type, and a column may be called `time` or `value`.
  expect(readsOnPrimary / reads).toBeLessThan(0.03);
});

/** SET LOCAL inside a READ ONLY transaction of the same text. */
function isSetInTransaction(kinds: readonly string[]): boolean {
  return kinds.includes('VariableSetStmt') && kinds.includes('TransactionStmt');
}

const fragments = fc.constantFrom(
  ...`' " $$ $a$ $ /* */ -- \\ ; ( ) [ ] , . :: : E U& select for update with as 1 é { # @`.split(' '),
  '\n',
  '\r',
  'delete from t',
  '\u0000',
  '\ufeff',
  ' ',
);

test('any text at all gets a verdict, and what PostgreSQL would not read goes to the primary', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(fragments, { maxLength: 40 }).map((it) => it.join('')),
      ),
      (sql) => {
        const verdict = classify(sql);
        expect(verdict.position).toBeGreaterThanOrEqual(0);
        expect(verdict.position).toBeLessThanOrEqual(sql.length);
        const opinion = askParser(sql);
        if (opinion === undefined || !opinion.statements.some((kind) => kind !== 'SelectStmt')) return;
        expect({ sql, route: verdict.route }).not.toEqual({ sql, route: 'replica' });
      },
    ),
    seeded({ numRuns: 10_000 }),
  );
});
