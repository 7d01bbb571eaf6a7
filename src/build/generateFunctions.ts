// Writes src/router/classify/builtinFunctions.ts from the catalogs of the PostgreSQL versions given as folders
// of their binaries: node src/build/generateFunctions.ts <folder with initdb and postgres>…
// All supported majors must be given, because a name is only safe when it is so in each of them.

import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { harmfulStable, harmlessVolatile, namesOfOthers } from './reviewedFunctions.ts';

const supportedMajors = [15, 16, 17, 18];
const target = 'src/router/classify/builtinFunctions.ts';
const lineWidth = 108;

// Functions that take or give internal values cannot be called from SQL, and nobody calls those that read and
// write the text of a type; both would only make the list longer.
const catalogSql = `
  select p.proname, p.provolatile,
         array['internal', 'cstring', 'trigger', 'event_trigger', 'index_am_handler', 'table_am_handler',
               'tsm_handler', 'fdw_handler', 'language_handler']::regtype[]
           && (p.prorettype || coalesce(p.proallargtypes, p.proargtypes::oid[]))::regtype[]
         or coalesce(obj_description(p.oid, 'pg_proc'), '') ~ '^(I/O|aggregate (transition|final) function)'
         or p.proname ~ '_validator$'
  from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace`.replaceAll('\n', ' ');

interface CatalogFunction {
  readonly name: string;
  readonly isVolatile: boolean;
  readonly isInternal: boolean;
}

/** In single-user mode nothing listens, so that generating needs neither a port nor a password. */
function readCatalog(binaries: string): CatalogFunction[] {
  const folder = mkdtempSync(join(tmpdir(), 'replica-manager-functions-'));
  const as = unprivileged();
  if (as !== undefined) chownSync(folder, as.uid, as.gid);
  try {
    const data = join(folder, 'data');
    const rows = join(folder, 'functions');
    const run = (program: string, args: readonly string[], input: string) =>
      execFileSync(join(binaries, program), [...args], {
        ...as,
        cwd: folder,
        stdio: ['pipe', 'ignore', 'ignore'],
        input,
      });
    run('initdb', ['-D', data, '-U', 'postgres', '-A', 'trust', '-N'], '');
    run('postgres', ['--single', '-j', '-D', data, 'template1'], `copy (${catalogSql}) to '${rows}';\n\n`);
    return readFileSync(rows, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'))
      .map(([name = '', volatility, isInternal]) => ({
        name,
        isVolatile: volatility === 'v',
        isInternal: isInternal === 't',
      }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** PostgreSQL does not run as root, so root lends it the user of Debian's package. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const ask = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: ask('-u'), gid: ask('-g') };
}

function majorOf(binaries: string): number {
  const version = execFileSync(join(binaries, 'postgres'), ['--version'], { encoding: 'utf8' });
  return Number(/(\d+)/.exec(version)?.[1]);
}

const namesOf = (reviewed: Readonly<Record<string, readonly string[]>>) =>
  new Set(Object.values(reviewed).flatMap((lines) => lines.flatMap((line) => line.split(' '))));

/** Every name once, in the set that all its functions in all versions allow. */
function sortFunctions(functions: readonly CatalogFunction[]): { safe: string[]; writing: string[] } {
  const volatile = new Set(functions.filter((it) => it.isVolatile).map((it) => it.name));
  const callable = new Set(functions.filter((it) => !it.isInternal).map((it) => it.name));
  const harmless = namesOf(harmlessVolatile);
  const harmful = namesOf(harmfulStable);
  const ofOthers = namesOf(namesOfOthers);
  for (const name of [...harmless, ...harmful, ...ofOthers]) {
    if (!callable.has(name)) throw new Error(`no catalog has the reviewed function ${name}`);
  }
  const names = [...callable].filter((name) => !ofOthers.has(name)).toSorted();
  const isSafe = (name: string) => (volatile.has(name) ? harmless.has(name) : !harmful.has(name));
  return { safe: names.filter(isSafe), writing: names.filter((name) => !isSafe(name)) };
}

function wrap(names: readonly string[]): string {
  const lines = [''];
  for (const name of names) {
    const line = lines.at(-1) ?? '';
    if (line.length + name.length >= lineWidth) lines.push(name);
    else lines[lines.length - 1] = line === '' ? name : `${line} ${name}`;
  }
  return lines.join('\n');
}

const folders = process.argv.slice(2);
const majors = folders.map(majorOf).toSorted((a, b) => a - b);
if (majors.join() !== supportedMajors.join()) {
  throw new Error(
    `give the binaries of PostgreSQL ${supportedMajors.join(', ')}, not of ${majors.join(', ')}`,
  );
}
const { safe, writing } = sortFunctions(folders.flatMap(readCatalog));
writeFileSync(
  target,
  `// Functions of pg_catalog in PostgreSQL ${supportedMajors[0]} to ${supportedMajors.at(-1)}, written by src/build/generateFunctions.ts. What only
// reads is safe; what writes, locks, signals, or means something in one session or on one server only is not.

export const safeFunctions = \`
${wrap(safe)}\`;

export const writingFunctions = \`
${wrap(writing)}\`;
`,
);
console.log(`${target}: ${safe.length} safe, ${writing.length} writing`);
