// The chart with the real helm: rendered, installed beside the operator of the other tests, upgraded, uninstalled.
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chartFolder, helm, type Rendered, renderChart, renderRelease } from '../fixtures/helm.ts';
import { eventually, kubectl } from '../fixtures/kubectl.ts';
import { operatorNamespace } from '../fixtures/topology.ts';

const namespace = 'chart-test';
const release = 'second';
const deployment = 'second-replica-manager';
const crd = 'replicatedpostgreses.replica-manager.io';
const ourImages = 'image.repository=replica-manager,image.tag=dev,poolerImage=replica-manager-pgbouncer:dev';

/** `Role ns/name` of everything rendered, in helm's order. */
const namesOf = (objects: readonly Rendered[]) =>
  objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);

interface DeploymentObject {
  readonly spec: {
    readonly replicas: number;
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly image: string;
          readonly env: readonly { readonly name: string; readonly value?: string }[];
        }[];
      };
    };
  };
}

const operatorOf = (objects: readonly Rendered[]) => {
  const found = objects.find(({ kind }) => kind === 'Deployment') as unknown as DeploymentObject;
  const container = found.spec.template.spec.containers[0];
  const env = Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value]));
  return { image: container?.image, replicas: found.spec.replicas, env };
};

const helmRelease = (command: readonly string[], folder: string, ...more: readonly string[]) => {
  const values = ['--set', ourImages, '--set', `watchNamespaces={${namespace}}`];
  const place = [release, folder, '-n', namespace, '--wait', '--timeout=150s'];
  return helm([...command, ...place, ...values, ...more], 180_000);
};

const readCrd = (path: string) => kubectl(['get', 'crd', crd, '-o', `jsonpath=${path}`]);
const columns = '{.spec.versions[0].additionalPrinterColumns[*].name}';

/** There is one CRD in a cluster. Whoever installs it first owns it, and an upgrade takes it back. */
const giveCrdBack = () =>
  helm(['upgrade', 'replica-manager', chartFolder, '-n', operatorNamespace, '--reuse-values']);

beforeAll(async () => {
  await helm(['uninstall', release, '-n', namespace, '--ignore-not-found', '--wait']);
  await kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--wait'], { timeoutMs: 120_000 });
  await kubectl(['create', 'namespace', namespace]);
});

afterAll(async () => {
  await giveCrdBack();
  await kubectl(['delete', 'namespace', namespace, '--wait=false']);
});

test('helm lint has nothing to say', async () => {
  expect(await helm(['lint', chartFolder, '--strict'])).toContain('0 chart(s) failed');
});

test('by default two operators watch all namespaces, with a ClusterRole', async () => {
  const objects = await renderChart();

  expect(namesOf(objects).sort()).toEqual([
    'ClusterRole /system-replica-manager',
    'ClusterRoleBinding /system-replica-manager',
    `CustomResourceDefinition /${crd}`,
    'Deployment system/replica-manager',
    'PodDisruptionBudget system/replica-manager',
    'Role system/replica-manager-election',
    'RoleBinding system/replica-manager-election',
    'Service system/replica-manager-metrics',
    'ServiceAccount system/replica-manager',
  ]);
  expect(operatorOf(objects)).toMatchObject({
    image: 'replica-manager:0.1.0',
    replicas: 2,
    env: {
      OPERATOR_IMAGE: 'replica-manager:0.1.0',
      POOLER_IMAGE: 'replica-manager-pgbouncer:0.1.0',
      WATCH_NAMESPACE: '',
      ELECTION_LEASE: 'replica-manager-operator',
    },
  });
});

test('two releases in one namespace do not wait for one another', async () => {
  const electionOf = async (name: string) => {
    const objects = await renderRelease(name);
    const role = objects.find(({ kind, metadata }) => kind === 'Role' && metadata.name.endsWith('-election'));
    const rules = (role?.['rules'] ?? []) as readonly { resourceNames?: readonly string[] }[];
    return [
      operatorOf(objects).env['ELECTION_LEASE'],
      ...rules.flatMap(({ resourceNames = [] }) => resourceNames),
    ];
  };

  expect(await electionOf('replica-manager')).toEqual([
    'replica-manager-operator',
    'replica-manager-operator',
  ]);
  expect(await electionOf('second')).toEqual([
    'second-replica-manager-operator',
    'second-replica-manager-operator',
  ]);
});

test('with named namespaces it gets a Role in each and cluster-wide only what nodes tell', async () => {
  const objects = await renderChart('--set', 'watchNamespaces={shop,stock}');
  const clusterRole = objects.find(({ kind }) => kind === 'ClusterRole');

  expect(clusterRole?.['rules']).toEqual([{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }]);
  expect(namesOf(objects).filter((name) => /^Role(Binding)? (shop|stock)/.test(name))).toEqual([
    'Role shop/system-replica-manager',
    'Role stock/system-replica-manager',
    'RoleBinding shop/system-replica-manager',
    'RoleBinding stock/system-replica-manager',
  ]);
  expect(operatorOf(objects).env['WATCH_NAMESPACE']).toBe('shop,stock');
});

test('one operator has no disruption budget, and other people install the CRD when they say so', async () => {
  const objects = await renderChart(
    '--set',
    'replicas=1,crds.install=false,image.tag=1.2,serviceAccount.create=false',
  );

  expect(namesOf(objects).filter((name) => /Budget|Definition|ServiceAccount/.test(name))).toEqual([]);
  expect(operatorOf(objects).image).toBe('replica-manager:1.2');
});

test.each([
  ['replcas=2', /replcas/],
  ['replicas=two', /replicas.*want integer/s],
  ['logLevel=loud', /logLevel/],
  ['watchNamespaces={Shop}', /watchNamespaces/],
])('helm refuses the value %s before it does anything', async (value, message) => {
  await expect(renderChart('--set', value)).rejects.toThrow(message);
});

test('everything that the chart renders is taken by the API server as it is', async () => {
  const lists = 'tolerations=[{"key":"a","operator":"Exists"}],imagePullSecrets=[{"name":"pull"}]';
  const maps = 'nodeSelector={"a/b":"c"},podAnnotations={"d":"e"},podLabels={"f":"g"}';
  const deep = 'metrics={"annotations":{"h":"i"}},serviceAccount={"annotations":{"j":"k"}}';
  const texts = `priorityClassName=system-cluster-critical,watchNamespaces={${namespace}}`;
  const everything = ['--set-json', `${lists},${maps},${deep}`, '--set', texts];
  const text = await helm(['template', release, chartFolder, '-n', namespace, ...everything]);

  const answer = await kubectl(
    ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '--validate=strict', '-f', '-'],
    { input: text },
  );
  expect(answer.match(/serverside-applied/g)?.length).toBe(11);
});

test('installed, upgraded and uninstalled, the CRD follows and stays', async () => {
  const old = await mkdtemp(join(tmpdir(), 'chart-'));
  try {
    // An older version of the chart: its CRD has one column less.
    await cp(chartFolder, old, { recursive: true });
    const template = join(old, 'templates/crds.yaml');
    const text = await readFile(template, 'utf8');
    await writeFile(template, text.replace(/ {8}- name: Max-Lag\n(?: {10}.*\n)+/, ''));

    await helmRelease(['install', '--take-ownership'], old);
    expect(await readCrd(columns)).toBe('Phase Primary Ready Replicas Routable Age');
    expect(
      await kubectl([
        '-n',
        namespace,
        'get',
        'deployment',
        deployment,
        '-o',
        'jsonpath={.status.readyReplicas}',
      ]),
    ).toBe('2');

    await helmRelease(['upgrade'], chartFolder, '--set', 'logLevel=debug');
    expect(await readCrd(columns)).toBe('Phase Primary Ready Replicas Max-Lag Routable Age');

    await helm(['uninstall', release, '-n', namespace, '--wait', '--timeout=60s']);
    expect(await readCrd('{.metadata.name}{.metadata.deletionTimestamp}')).toBe(crd);
    await eventually(
      'the last pod is gone',
      40_000,
      () => kubectl(['-n', namespace, 'get', 'all', '-o', 'name']),
      (names) => names === '',
    );
  } finally {
    await rm(old, { recursive: true });
  }
});

test('an operator for one namespace may not look into another', async () => {
  const may = (where: string) => {
    try {
      const account = `--as=system:serviceaccount:${namespace}:${deployment}`;
      return execFileSync('kubectl', ['auth', 'can-i', 'list', 'secrets', '-n', where, account], {
        encoding: 'utf8',
      }).trim();
    } catch (error) {
      return (error as { stdout: string }).stdout.trim();
    }
  };
  const objects = await helm([
    'template',
    release,
    chartFolder,
    '-n',
    namespace,
    '--set',
    `watchNamespaces={${namespace}},crds.install=false`,
  ]);
  await kubectl(['apply', '-f', '-'], { input: objects.replace(/replicas: 2/, 'replicas: 0') });
  try {
    expect(may(namespace)).toBe('yes');
    expect(may('default')).toBe('no');
  } finally {
    await kubectl(['delete', '-f', '-', '--wait=false'], { input: objects });
  }
});
