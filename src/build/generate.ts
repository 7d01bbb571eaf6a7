// Writes every file that is made from the code; with --check it writes nothing and says which are out of date.
import { readFile, writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { buildValuesSchema } from '../api/chartValues.ts';
import { buildCrd } from '../api/crd.ts';
import { apiGroup, plural } from '../api/names.ts';
import { buildReference } from '../api/reference.ts';
import { assert } from '../lib/assert.ts';
import { openApi } from '../service/openApi.ts';

const project = new URL('../../', import.meta.url);
const madeBy = 'Made from src/api by `make crds docs`.';

function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    [`crds/${apiGroup}_${plural}.yaml`, `# ${madeBy}\n${yaml(buildCrd())}`],
    ['charts/replica-manager/templates/crds.yaml', chartCrds()],
    [
      'charts/replica-manager/values.schema.json',
      `${JSON.stringify({ $comment: madeBy, ...buildValuesSchema() }, null, 2)}\n`,
    ],
    ['docs/reference/api.md', buildReference()],
    ['docs/reference/openapi.json', `${JSON.stringify(openApi, null, 2)}\n`],
  ]);
}

/** A template and not helm's own folder crds/, which helm installs once and never upgrades. */
function chartCrds(): string {
  const crd = buildCrd();
  const kept = {
    ...crd,
    metadata: { ...crd.metadata, annotations: { 'helm.sh/resource-policy': 'keep' } },
  };
  const text = yaml(kept);
  assert(!text.includes('{{'), 'the CRD holds {{, which helm would take for a template');
  return `{{- /* ${madeBy} */ -}}\n{{- if .Values.crds.install }}\n${text}{{- end }}\n`;
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
      console.error(`${path} is not what the code says, run: make crds docs`);
    } else {
      await writeFile(new URL(path, project), text);
      console.log(`wrote ${path}`);
    }
  }
  return staleFiles;
}

process.exitCode = (await main(process.argv.includes('--check'))) > 0 ? 1 : 0;
