// Every case of the corpus, each of which was executed on hot standbys of PostgreSQL 15 and 18. `kind` says
// what a mistake would cost: an error (must, must16), a silent loss (silent), an instance (danger) …
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { classify } from '../../../src/router/classify/classify.ts';
import type { ClassifySettings } from '../../../src/router/classify/classifySettings.ts';

interface Case {
  readonly sql: string;
  readonly route: 'primary' | 'replica';
  readonly kind: string;
}

const cases: readonly Case[] = JSON.parse(readFileSync('test/fixtures/routing-cases.json', 'utf8'));

/** What the settings of a team, or its catalog, say of the objects that the corpus uses. */
const settings: ClassifySettings = { allowFunctions: ['f_stable'], primaryRelations: ['v_next'] };

test('the corpus is complete', () => {
  expect(cases.length).toBe(230);
});

// `SELECT last_value FROM s` is a read here: that `s` is a sequence, of which a standby is ahead, only the catalog says.
test.each(cases)('$kind: $sql', ({ sql, route, kind }) => {
  const verdict = classify(sql, settings);

  if (kind === 'danger') expect(['denied', 'primary']).toContain(verdict.route);
  else expect(verdict.route).toBe(route);
});

test('without settings, only what the text cannot say is different', () => {
  const different = cases.filter(({ sql }) => classify(sql).route !== classify(sql, settings).route);

  expect(different.map(({ sql }) => sql)).toEqual(['SELECT f_stable(1)', 'SELECT n FROM v_next']);
});
