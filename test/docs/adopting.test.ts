// The shadow mode of docs/guides/adopting-step-by-step.md, as it stands on the page.

import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/guides/adopting-step-by-step.md'), 'utf8');

interface Pool {
  query(...args: unknown[]): unknown;
}

test('the shadow mode of the page counts what would move, and changes nothing', async () => {
  const [, code = ''] = /<!-- step: shadow -->\n```ts\n(.*?)```/s.exec(page) ?? [];
  const source = stripTypeScriptTypes(code).replace(
    "'replica-manager'",
    `'${pathToFileURL(join(root, 'src/router/classify/classify.ts')).href}'`,
  );
  const module: unknown = await import(
    /* @vite-ignore */ `data:text/javascript,${encodeURIComponent(source)}`
  );
  const { countRoutes } = module as { countRoutes: (pool: Pool) => ReadonlyMap<string, number> };
  const asked: unknown[][] = [];
  const pool: Pool = { query: (...args) => asked.push(args) };
  const counts = countRoutes(pool);

  expect(pool.query('SELECT 1')).toBe(1);
  pool.query({ text: 'SELECT * FROM properties WHERE id = $1', values: [1] }, () => {});
  pool.query("INSERT INTO properties VALUES ('Hotel California')");
  pool.query('SELECT pg_promote()');

  const routes = [...counts].map(([key, count]) => [key.split(' ')[0], count]);
  expect(routes).toEqual([
    ['replica', 2],
    ['primary', 1],
    ['denied', 1],
  ]);
  expect(asked.map((args) => args.length)).toEqual([1, 2, 1, 1]);
});
