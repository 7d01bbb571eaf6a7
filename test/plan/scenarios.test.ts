// Sequences as text: what happens, `----`, what the operator does about it. `UPDATE_GOLDEN=1` rewrites the second halves.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Scenario } from '../fixtures/scenario.ts';

const directory = new URL('../scenarios/', import.meta.url);
const isRewriting = process.env['UPDATE_GOLDEN'] === '1';

/** Blocks are separated by an empty line; lines that begin with # are kept as they are. */
function played(text: string): string {
  const scenario = new Scenario();
  const blocks = text
    .trimEnd()
    .split('\n\n')
    .map((block) => {
      const given = block.split('\n----')[0] ?? '';
      const lines = given.split('\n').filter((it) => it !== '' && !it.startsWith('#'));
      return lines.length === 0 ? given : [given, '----', ...scenario.run(lines)].join('\n');
    });
  return `${blocks.join('\n\n')}\n`;
}

const files = readdirSync(directory).filter((it) => it.endsWith('.txt'));

test.each(files)('%s', (file) => {
  const text = readFileSync(new URL(file, directory), 'utf8');
  const result = played(text);
  if (isRewriting) writeFileSync(new URL(file, directory), result);
  else expect(result).toBe(text);
});

test('there are scenarios', () => {
  expect(files.length).toBeGreaterThan(3);
});
