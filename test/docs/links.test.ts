// Every link from one page of the project to another leads somewhere.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const pages = globSync(['*.md', 'docs/**/*.md', 'examples/**/*.md', 'charts/**/*.md', 'test/**/README.md']);

/** Targets of links within the project, without the place on the page. */
function linksOf(page: string): string[] {
  const text = readFileSync(page, 'utf8').replace(/```[\s\S]*?```/g, '');
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets.filter((it) => !/^(https?:|mailto:|#)/.test(it)).map((it) => it.split('#', 1).join());
}

test('every link within the project leads to a file or folder', () => {
  const links = pages.flatMap((page) => linksOf(page).map((target) => ({ page, target })));
  const broken = links.filter(({ page, target }) => !existsSync(join(dirname(page), target)));
  expect(links.length).toBeGreaterThan(20);
  expect(broken).toEqual([]);
});
