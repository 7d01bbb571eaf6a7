import { beforeAll, expect, test } from 'vitest';
import { eventually, getObject, kubectl } from '../fixtures/kubectl.ts';
import { namespace, readyTopology } from '../fixtures/topology.ts';

interface AnyObject {
  metadata: { uid: string; labels?: Record<string, string>; resourceVersion: string };
  spec?: Record<string, unknown>;
  data?: Record<string, string>;
}

beforeAll(async () => {
  await readyTopology();
});

const deletable = [
  ['service', 'orders-primary'],
  ['service', 'orders-replicas'],
  ['service', 'orders-instances'],
  ['service', 'orders-pooler-rw'],
  ['service', 'orders-pooler-ro'],
  ['configmap', 'orders-endpoints'],
  ['configmap', 'orders-config'],
  ['deployment', 'orders-pooler-ro'],
  ['poddisruptionbudget', 'orders-instances'],
  ['role', 'orders-instance'],
  ['rolebinding', 'orders-instance'],
  ['serviceaccount', 'orders-pooler'],
] as const;

test.each(deletable)('%s %s is back within 5 s when somebody deletes it', async (kind, name) => {
  const before = await getObject<AnyObject>(namespace, kind, name);
  await kubectl(['-n', namespace, 'delete', kind, name, '--wait=false']);

  await eventually(
    `${kind} ${name} is there again`,
    5_000,
    () => getObject<AnyObject>(namespace, kind, name),
    (object) => object !== undefined && object.metadata.uid !== before?.metadata.uid,
    100,
  );
});

test('a StatefulSet that is deleted with its pod comes back with the same data', async () => {
  await kubectl(['-n', namespace, 'delete', 'statefulset', 'orders-3', '--wait=false']);

  await eventually(
    'the StatefulSet is there again',
    5_000,
    () => getObject<AnyObject>(namespace, 'statefulset', 'orders-3'),
    (it) => it !== undefined,
    100,
  );
  await readyTopology();
});

test('a Service that somebody points elsewhere is put right within 5 s', async () => {
  const patch = JSON.stringify({ spec: { selector: { 'replica-manager.io/role': 'nobody' } } });
  await kubectl(['-n', namespace, 'patch', 'service', 'orders-primary', '--type=merge', '-p', patch]);

  await eventually(
    'the selector is right again',
    5_000,
    () => getObject<{ spec: { selector: Record<string, string> } }>(namespace, 'service', 'orders-primary'),
    (service) => service?.spec.selector['replica-manager.io/role'] === 'primary',
    100,
  );
});

test('a pooler that somebody scales by hand is put right within 5 s', async () => {
  await kubectl(['-n', namespace, 'scale', 'deployment', 'orders-pooler-rw', '--replicas=1']);

  await eventually(
    'the pooler has two pods again',
    5_000,
    () => getObject<{ spec: { replicas: number } }>(namespace, 'deployment', 'orders-pooler-rw'),
    (deployment) => deployment?.spec.replicas === 2,
    100,
  );
});

test('an endpoints document that somebody edits is published again within 5 s', async () => {
  await kubectl([
    '-n',
    namespace,
    'patch',
    'configmap',
    'orders-endpoints',
    '--type=merge',
    '-p',
    '{"data":{"endpoints.json":"{}"}}',
  ]);

  await eventually(
    'the document is whole again',
    5_000,
    () => getObject<AnyObject>(namespace, 'configmap', 'orders-endpoints'),
    (object) => object?.data?.['endpoints.json']?.includes('"primary"') === true,
    100,
  );
  expect(
    (await getObject<AnyObject>(namespace, 'configmap', 'orders-endpoints'))?.data?.['endpoints.json'],
  ).toContain('orders-1');
});
