// What 10 000 distinct statements leave on the heap: in the classifier's cache, beside a plain Map of the same texts, and one of
// the trees that libpg-query makes of them. The texts are gone afterwards, but for what is kept. Run by `make bench` with
// --expose-gc; docs/benchmarks.md quotes it.

import assert from 'node:assert/strict';
import { loadModule, parseSync } from 'libpg-query';
import { Classifier } from '../../src/router/classify/classifier.ts';
import { ratios, spread } from './spread.ts';

const rounds = 5;
const statements = 10_000;

/** As an ORM writes them: a third of a kilobyte each. */
function textOf(round: number, index: number): string {
  const columns = ['id', 'created_at', 'title', 'author_id', 'tenant_id', 'deleted_at', 'state'];
  const list = columns.map((it) => `"t${index}"."${it}"`).join(', ');
  // Made anew from bytes, as from a file or a template engine: one flat string that shares nothing.
  return Buffer.from(
    `SELECT ${list} FROM "public"."posts_${round}" "t${index}" WHERE "t${index}"."tenant_id" = $1 AND "t${index}"."deleted_at" IS NULL ORDER BY "t${index}"."created_at" DESC LIMIT $2`,
  ).toString('latin1');
}

interface Keeper {
  keep(text: string): void;
}

const makers = {
  classifier: (): Keeper => {
    const classifier = new Classifier();
    return { keep: (text) => classifier.verdictOf(text) };
  },
  'Map of texts': (): Keeper => {
    const texts = new Map<string, true>();
    return { keep: (text) => texts.set(text, true) };
  },
  'Map of trees (libpg-query)': (): Keeper => {
    const trees = new Map<string, unknown>();
    return { keep: (text) => trees.set(text, parseSync(text)) };
  },
} as const;
type Name = keyof typeof makers;
const names = Object.keys(makers) as Name[];

function heapMiB(): number {
  assert(globalThis.gc !== undefined, 'memory is measured with node --expose-gc');
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed / 1024 / 1024;
}

function measure(name: Name, round: number): number {
  const keeper = makers[name]();
  const before = heapMiB();
  for (let index = 0; index < statements; index += 1) keeper.keep(textOf(round, index));
  const grown = heapMiB() - before;
  // Used after the measurement, so that it is not collected before.
  keeper.keep('SELECT 1');
  return grown;
}

await loadModule();
const grown = new Map<Name, number[]>(names.map((name) => [name, []]));
for (let round = -1; round < rounds; round += 1) {
  for (const name of names) {
    const figure = measure(name, round);
    if (round >= 0) grown.get(name)?.push(figure);
  }
}
const peer = grown.get('Map of texts') ?? [];
console.log(
  `${statements} statements of ${textOf(0, 5_000).length} characters, ${rounds} rounds, min / median / max`,
);
for (const [name, own] of grown) {
  console.log(`${name}: ${spread(own)} MiB, ratio to the Map of texts ${spread(ratios(own, peer))}`);
}
