// Who may import whom, and what the pure folders may not call. The tables are the rule; a change of
// `mayImport` is a change of the architecture and is named in the commit.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import { expect, test } from 'vitest';

const pure = ['lib', 'api', 'postgres', 'endpoints'];
const mayImport: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  api: ['lib', 'zod'],
  postgres: ['lib'],
  endpoints: ['lib', 'postgres'],
  plan: pure,
  objects: pure,
  kube: ['lib', '@kubernetes/client-node'],
  router: ['lib', 'postgres', 'endpoints', 'pg'],
  service: ['lib', 'postgres', 'endpoints', 'router'],
  operator: [
    ...pure,
    'plan',
    'objects',
    'kube',
    'pg',
    'pino',
    'prom-client',
    '@peculiar/x509',
    'reflect-metadata',
  ],
  agent: [...pure, 'plan', 'kube', 'pg', 'pino'],
  pooler: [...pure, 'plan', 'kube', 'pg', 'pino', 'prom-client'],
  build: [...pure, 'service', 'esbuild', 'yaml', '../package.json'],
  main: [...pure, 'operator', 'kube', 'pino', 'service'],
  serviceMain: ['service'],
  agentMain: [...pure, 'agent', 'pooler', 'kube', 'pino'],
};

/** Calls that make a decision depend on when or where it is made, and what to do instead. */
const bannedInPure: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\(/, 'take the time as a fact'],
  [/\bnew Date\(\)/, 'take the time as a fact'],
  [/\bMath\.random\(/, 'take a random number as an argument'],
  [/\bprocess\./, 'take the setting as a fact'],
  [/\bfetch\(/, 'return an action, execute it in operator or agent'],
  [/\bawait\b/, 'a decision waits for nothing, gather the facts before'],
];

const sources = globSync('src/**/*.ts').map((path) => ({ path, text: readFileSync(path, 'utf8') }));
const partOf = (path: string) => path.split(sep)[1]?.replace(/\.ts$/, '') ?? '';

/** Every module that a file names: `from '…'`, `import '…'` and `import('…')`. */
function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)'([^']+)'/g)].map((match) => match[1] ?? '');
}

function targetOf(path: string, specifier: string): string | undefined {
  if (specifier.startsWith('node:')) return undefined;
  if (specifier.startsWith('.')) {
    const file = normalize(join(dirname(path), specifier));
    return file.startsWith(`src${sep}`) ? partOf(file) : `../${file}`;
  }
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function violations(files: readonly { path: string; text: string }[]): string[] {
  return files.flatMap(({ path, text }) => {
    const part = partOf(path);
    const allowed = mayImport[part];
    if (allowed === undefined) return [`${path}: the part "${part}" is not in the table mayImport`];
    return importsOf(text)
      .map((specifier) => targetOf(path, specifier))
      .filter((target) => target !== undefined && target !== part && !allowed.includes(target))
      .map((target) => `${path} imports ${target}`);
  });
}

test('every part imports only what the table allows', () => {
  expect(sources.length).toBeGreaterThan(20);
  expect(violations(sources)).toEqual([]);
});

test('the table catches each form of a forbidden import', () => {
  const forms = [
    "import { a } from '../operator/a.ts'",
    "import '../operator/a.ts'",
    "await import('../operator/a.ts')",
  ];

  for (const text of forms) {
    expect(violations([{ path: join('src', 'plan', 'reads.ts'), text }])).toEqual([
      `${join('src', 'plan', 'reads.ts')} imports operator`,
    ]);
  }
});

test('decisions and builders read no clock, no environment and wait for nothing', () => {
  const found = sources
    .filter(({ path }) => ['plan', 'objects'].includes(partOf(path)))
    .flatMap(({ path, text }) => {
      const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      return bannedInPure
        .filter(([call]) => call.test(code))
        .map(([call, mend]) => `${path}: ${call.source}: ${mend}`);
    });

  expect(found).toEqual([]);
});

test('clocks, timers, randomness and the environment appear only at the edges', () => {
  const edges = ['src/lib/clock.ts', 'src/main.ts', 'src/agentMain.ts', 'src/serviceMain.ts', 'src/build/'];
  const readers = /Environment\.ts$/;
  const found = sources
    .filter(({ path }) => !edges.some((edge) => path.startsWith(edge)) && !readers.test(path))
    .filter(({ text }) =>
      /\bDate\.now\(|\bsetTimeout\(|\bsetInterval\(|\bprocess\.env\b/.test(
        text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ''),
      ),
    )
    .map(({ path }) => path);

  expect(found).toEqual([]);
});

test('no file is longer than 300 lines', () => {
  const long = sources.filter(({ text }) => text.split('\n').length > 301).map(({ path }) => path);
  expect(long).toEqual([]);
});

test('no module exports a default, so that one search finds every use', () => {
  expect(sources.filter(({ text }) => /^export default/m.test(text)).map(({ path }) => path)).toEqual([]);
});

test('only the two packages that applications import have a barrel', () => {
  const barrels = globSync('src/**/index.ts').sort();
  expect(barrels.filter((path) => !['src/endpoints/index.ts', 'src/router/index.ts'].includes(path))).toEqual(
    [],
  );
});
