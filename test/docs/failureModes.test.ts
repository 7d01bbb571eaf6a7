// What is written about failures is shown by tests that are there.
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const page = readFileSync('docs/reference/failure-modes.md', 'utf8');

test('every test that the page names is there, under that title, and every row names one', () => {
  const rows = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| what happens'));
  const named = rows.map((row) => [...row.matchAll(/\]\(\.\.\/\.\.\/(test\/[^)]+)\): “([^”]+)”/g)]);
  const missing = named
    .flat()
    .filter(([, file = '', title = '']) => !existsSync(file) || !readFileSync(file, 'utf8').includes(title))
    .map(([, file, title]) => ({ file, title }));

  expect(rows.length).toBe(30);
  expect(named.filter((tests) => tests.length === 0)).toEqual([]);
  expect(missing).toEqual([]);
});
