// Writes every file that is made from src/api; with --check it writes nothing and says which are out of date.
import { readFile, writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { buildCrd } from '../api/crd.ts';
import { apiGroup, plural } from '../api/names.ts';

const project = new URL('../../', import.meta.url);

function generatedFiles(): ReadonlyMap<string, string> {
  const crd = `# Made from src/api by \`make crds docs\`.\n${yaml(buildCrd())}`;
  return new Map([[`crds/${apiGroup}_${plural}.yaml`, crd]]);
}

/** Folds nothing and shares nothing, so that a changed word is a changed line. */
const yaml = (value: unknown): string => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });

const textOf = (path: string): Promise<string> =>
  readFile(new URL(path, project), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });

async function main(isCheck: boolean): Promise<number> {
  let staleFiles = 0;
  for (const [path, text] of generatedFiles()) {
    if ((await textOf(path)) === text) continue;
    if (isCheck) {
      staleFiles += 1;
      console.error(`${path} is not what src/api says, run: make crds docs`);
    } else {
      await writeFile(new URL(path, project), text);
      console.log(`wrote ${path}`);
    }
  }
  return staleFiles;
}

process.exitCode = (await main(process.argv.includes('--check'))) > 0 ? 1 : 0;
