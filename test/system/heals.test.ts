import { beforeAll, expect, test } from 'vitest';
import { labels } from '../../src/api/names.ts';
import { askPooler } from '../fixtures/askPooler.ts';
import { eventually, getObject, kubectl } from '../fixtures/kubectl.ts';
import { namespace, primaryName, readyTopology, sql } from '../fixtures/topology.ts';

interface AnyObject {
  metadata: {
    uid: string;
    labels?: Record<string, string>;
    resourceVersion: string;
    deletionTimestamp?: string;
  };
  spec?: Record<string, unknown>;
  data?: Record<string, string>;
}

const dataFolder = '/var/lib/postgresql/data/pgdata';
const uidOf = async (kind: string, name: string) =>
  (await getObject<AnyObject>(namespace, kind, name))?.metadata.uid;

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
  const primary = await primaryName();
  await sql(primary, 'create table if not exists kept_rows (value text); truncate kept_rows');
  await sql(primary, "insert into kept_rows values ('before')");
  const rows = () => sql('orders-3', 'select value from kept_rows');
  await eventually('the replica has the row', 10_000, rows, (it) => it === 'before');
  const inReplica = ['exec', 'orders-3-0', '-c', 'postgres', '--'];
  // A clone would be another folder: this one was there before.
  const folder = () => kubectl(['-n', namespace, ...inReplica, 'stat', '-c', '%i', dataFolder]);
  const before = { folder: await folder(), pod: await uidOf('pod', 'orders-3-0') };
  await kubectl(['-n', namespace, 'delete', 'statefulset', 'orders-3', '--wait=false']);

  await eventually(
    'the StatefulSet is there again',
    5_000,
    () => getObject<AnyObject>(namespace, 'statefulset', 'orders-3'),
    (it) => it !== undefined && it.metadata.deletionTimestamp === undefined,
    100,
  );
  await eventually(
    'it has another pod',
    90_000,
    () => uidOf('pod', 'orders-3-0'),
    (uid) => uid !== undefined && uid !== before.pod,
  );
  await eventually('the replica answers', 90_000, rows, (it) => it === 'before');
  expect(await folder()).toBe(before.folder);
  await readyTopology();
});

test('a Secret that loses its label gets it back, and keeps its password', async () => {
  const before = await getObject<AnyObject>(namespace, 'secret', 'orders-app');
  await kubectl(['-n', namespace, 'label', 'secret', 'orders-app', `${labels.topology}-`]);

  const { answer } = await eventually(
    'the label is back',
    5_000,
    () => getObject<AnyObject>(namespace, 'secret', 'orders-app'),
    (secret) => secret?.metadata.labels?.[labels.topology] === 'orders',
    100,
  );
  expect(answer?.metadata.uid).toBe(before?.metadata.uid);
  expect(answer?.data).toEqual(before?.data);
  expect(await askPooler(['select current_user'], { pooler: 'rw' })).toBe('app');
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
