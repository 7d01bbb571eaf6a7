// The shadow mode of docs/guides/adopting-step-by-step.md, as it stands on the page.

import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import type { RoutedPool } from '../../src/router/index.ts';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/guides/adopting-step-by-step.md'), 'utf8');

interface Pool {
  query(...args: unknown[]): unknown;
}

/** A step of the page as a module, with the library of this project. */
async function load(step: string, more = ''): Promise<unknown> {
  const [, code = ''] = new RegExp(`<!-- step: ${step} -->\n\`\`\`ts\n(.*?)\`\`\``, 's').exec(page) ?? [];
  const library = pathToFileURL(join(root, 'src/router/index.ts')).href;
  const source = stripTypeScriptTypes(code + more).replace("'replica-manager'", `'${library}'`);
  return import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(source)}`);
}

test('the shadow mode of the page counts what would move, and changes nothing', async () => {
  const module = await load('shadow');
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

test('the shadow mode of the page adds up what the clients of a pool send', async () => {
  const { countRoutes } = (await load('shadow')) as {
    countRoutes: (client: Pool, counts: Map<string, number>) => void;
  };
  const clients: Pool[] = [{ query: () => {} }, { query: () => {} }];
  const counts = new Map<string, number>();
  for (const client of clients) {
    countRoutes(client, counts);
    client.query('SELECT 1');
  }

  expect([...counts]).toEqual([['replica read', 2]]);
});

test('the pool of the page knows the primary and the replica', async () => {
  const { pool } = (await load('pool', 'export { pool };')) as { pool: RoutedPool };
  const { primary, replicas } = pool.status();
  await pool.end();
  expect([primary?.host, replicas.map(({ host }) => host)]).toEqual(['primary-host', ['replica-host']]);
});
