// What can be said about the chart without helm; test/system/chart.test.ts installs it.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import manifest from '../../package.json' with { type: 'json' };
import { buildValuesSchema, chartValuesSchema } from '../../src/api/chartValues.ts';
import { parseReplicatedPostgres } from '../../src/api/replicatedPostgres.ts';
import { instanceRole } from '../../src/objects/instanceRole.ts';
import { poolerRole } from '../../src/objects/poolerRole.ts';
import { smallestSpec } from '../fixtures/badInputs.ts';

const chart = (file: string) =>
  readFileSync(new URL(`../../charts/replica-manager/${file}`, import.meta.url), 'utf8');

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** `apps/deployments patch`, one for each combination. */
const rightsOf = (rules: readonly Rule[]): string[] =>
  rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)),
    ),
  );

/** Between its first and its last line the template is plain YAML. */
function topologyRules(): readonly Rule[] {
  const text = /\{\{- define "replica-manager\.topologyRules" -\}\}\n([\s\S]*)\{\{- end -\}\}/.exec(
    chart('templates/_rules.tpl'),
  );
  return parse(text?.[1] ?? '') as readonly Rule[];
}

test('values.yaml shows every value with its default', () => {
  expect(parse(chart('values.yaml'))).toEqual(chartValuesSchema.parse({}));
});

test('the schema of the values is what src/api says', () => {
  const { $comment, ...schema } = JSON.parse(chart('values.schema.json'));

  expect($comment).toContain('make crds docs');
  expect(schema).toEqual(buildValuesSchema());
});

test('chart, application and package have one version', () => {
  const { version, appVersion } = parse(chart('Chart.yaml')) as Record<string, string>;

  expect([version, appVersion]).toEqual([manifest.version, manifest.version]);
});

test('the operator has every right that it gives to agents and poolers, or it could not give it', () => {
  const metadata = { name: 'orders', namespace: 'shop', uid: 'u', generation: 1, resourceVersion: '1' };
  const parsed = parseReplicatedPostgres({ apiVersion: '', kind: '', metadata, spec: smallestSpec });
  if (parsed.kind !== 'valid') throw new Error(parsed.problems.join('\n'));
  const given = [...instanceRole(parsed.topology, [1, 2, 3]).rules, ...poolerRole(parsed.topology).rules];
  const own = new Set(rightsOf(topologyRules()));

  expect(rightsOf(given).length).toBeGreaterThan(5);
  expect(rightsOf(given).filter((right) => !own.has(right))).toEqual([]);
});

test('operators of a release elect their leader by a Lease of their own, and may touch no other', () => {
  const lease = '{{ include "replica-manager.electionLease" . }}';
  const rules = /-election\n[\s\S]*?\nrules:\n([\s\S]*?)---\n/.exec(chart('templates/rbac.yaml'))?.[1] ?? '';

  expect(parse(rules.replaceAll(lease, 'lease'))).toEqual([
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
    {
      apiGroups: ['coordination.k8s.io'],
      resources: ['leases'],
      resourceNames: ['lease'],
      verbs: ['get', 'update'],
    },
  ]);
  expect(chart('templates/deployment.yaml')).toContain(`- name: ELECTION_LEASE\n          value: ${lease}\n`);
});

test('no right of the operator is a wildcard or stands there twice', () => {
  const rights = rightsOf(topologyRules());

  expect(rights.filter((right) => right.includes('*'))).toEqual([]);
  expect(rights.filter((right, index) => rights.indexOf(right) !== index)).toEqual([]);
});
