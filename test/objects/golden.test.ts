// Whole objects against test/golden/*.yaml. `make golden` rewrites the files; the diff is what is reviewed.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { desiredObjects } from '../../src/objects/desiredObjects.ts';
import { instanceSet } from '../../src/objects/instanceSet.ts';
import { poolerDeployment } from '../../src/objects/poolerDeployment.ts';
import { primaryService } from '../../src/objects/primaryService.ts';
import { exampleOptions } from './exampleOptions.ts';
import { exampleTopology } from './exampleTopology.ts';

const directory = new URL('../golden/', import.meta.url);
const isRewriting = process.env['UPDATE_GOLDEN'] === '1';

interface Golden {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

/** A spec that says everything that is passed through to pods and Services. */
const elaborate = exampleTopology({
  spec: {
    postgres: { version: 16, image: 'registry.example/postgres:16.4', parameters: { work_mem: '16MB' } },
    instances: 2,
    storage: { size: '20Gi', storageClassName: 'fast' },
    pooler: { image: 'registry.example/pgbouncer:1.24', resources: { limits: { memory: '128Mi' } } },
    resources: { limits: { cpu: '2', memory: '4Gi' } },
    affinity: { nodeAffinity: {} },
    tolerations: [{ key: 'database', operator: 'Exists' }],
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' },
    ],
    imagePullSecrets: [{ name: 'registry' }],
    podMetadata: {
      labels: { team: 'shop' },
      annotations: { 'example.com/scrape': 'true' },
    },
    serviceMetadata: { labels: { team: 'shop' }, annotations: { 'example.com/lb': 'internal' } },
  },
});

const cases: Readonly<Record<string, Golden>> = {
  ...Object.fromEntries(
    desiredObjects(exampleTopology(), exampleOptions).map((object) => [
      `${object.kind}-${object.metadata.name}`,
      object,
    ]),
  ),
  'StatefulSet-orders-2-elaborate': instanceSet(elaborate, 2, {
    ...exampleOptions,
    claimTemplate: { size: '10Gi', labels: { 'from.example/an-older-version': 'yes' } },
  }),
  'Deployment-orders-pooler-ro-elaborate': poolerDeployment(elaborate, 'ro', exampleOptions),
  'Service-orders-primary-elaborate': primaryService(elaborate),
};

test.for(Object.entries(cases))('%s is as its golden file says', ([name, object]) => {
  const file = new URL(`${name}.yaml`, directory);
  // Shared parts are written out where they are used, as a person who reads one object needs them.
  const text = stringify(object, { aliasDuplicateObjects: false, lineWidth: 110 });
  if (isRewriting) writeFileSync(file, text);

  expect(existsSync(file), `${name}.yaml is missing, run make golden`).toBe(true);
  expect(text).toBe(readFileSync(file, 'utf8'));
});

test('every golden file of an object belongs to a case', () => {
  const known = new Set(Object.keys(cases).map((name) => `${name}.yaml`));
  const kinds = new Set(Object.values(cases).map(({ kind }) => kind));

  const leftOver = readdirSync(directory).filter(
    (file) => kinds.has(file.slice(0, file.indexOf('-'))) && !known.has(file),
  );

  expect(leftOver).toEqual([]);
});
