// What only the operator or the agent can see becomes a condition and an event; nothing is destroyed
// and the operator does not restart.
import { afterAll, expect, test } from 'vitest';
import { labels } from '../../src/api/names.ts';
import { applyObject, eventually, getObject, kubectl, listObjects } from '../fixtures/kubectl.ts';
import {
  namespace,
  operatorNamespace,
  readTopology,
  readyTopology,
  sql,
  topologyManifest,
} from '../fixtures/topology.ts';

const alone = { instances: 1, pooler: { readWrite: { instances: 0 }, readOnly: { instances: 0 } } };
const names = ['unpullable', 'nopostgres', 'wrongimage', 'earlier'];

const restarts = async () =>
  (
    await listObjects<{ status: { containerStatuses: { restartCount: number }[] } }>(
      operatorNamespace,
      'pods',
      'app.kubernetes.io/name=replica-manager',
    )
  )
    .flatMap(({ status }) => status.containerStatuses)
    .reduce((sum, { restartCount }) => sum + restartCount, 0);

/** Waits until the topology is not ready for a reason that matches, and returns what it says. */
async function refusal(name: string, reason: RegExp): Promise<string> {
  const saying = async () =>
    (await readTopology(name))?.status?.conditions?.find(({ type }) => type === 'Ready');
  const { answer } = await eventually(
    `the condition of ${name} tells the reason`,
    90_000,
    saying,
    (condition) => condition?.status === 'False' && reason.test(condition.message),
  );
  return answer?.message ?? '';
}

const inPod = (pod: string, command: string) =>
  kubectl(['-n', namespace, 'exec', pod, '-c', 'postgres', '--', 'sh', '-c', command]).then((it) =>
    it.trim(),
  );

afterAll(async () => {
  await kubectl(['-n', namespace, 'delete', 'rpg', ...names, '--ignore-not-found', '--timeout=60s'], {
    timeoutMs: 70_000,
  });
  const volumes = `${labels.topology} in (${names.join(',')})`;
  await kubectl(['-n', namespace, 'delete', 'pvc', '-l', volumes, '--wait=false']);
});

test('an image that cannot be pulled is named in the condition and in an event', async () => {
  const before = await restarts();
  await applyObject(topologyManifest('unpullable', { ...alone, postgres: { image: 'debian:none' } }));

  await refusal('unpullable', /ErrImagePull|ImagePullBackOff/);
  const warnings = 'involvedObject.name=unpullable,type=Warning';
  const readMessages = ['get', 'events', '--field-selector', warnings, '-o', 'jsonpath={.items[*].message}'];
  await eventually(
    'an event tells the reason',
    20_000,
    () => kubectl(['-n', namespace, ...readMessages]),
    (messages) => /ErrImagePull|ImagePullBackOff/.test(messages),
  );
  expect(await restarts()).toBe(before);
});

test('an image without PostgreSQL is refused in the condition, with what to do', async () => {
  const before = await restarts();
  const image = 'replica-manager-pgbouncer:dev';
  await applyObject(topologyManifest('nopostgres', { ...alone, postgres: { image } }));

  expect(await refusal('nopostgres', /holds no PostgreSQL/)).toMatch(
    /^nopostgres-1: the image holds no PostgreSQL server .* set postgres\.image to a Debian-based postgres image$/,
  );
  expect(await restarts()).toBe(before);
});

test('an image of another major version than the one asked for is refused, and both are named', async () => {
  const before = await restarts();
  const postgres = { version: 15, image: 'postgres:17' };
  await applyObject(topologyManifest('wrongimage', { ...alone, postgres }));

  const said = await refusal('wrongimage', /the image holds PostgreSQL/);
  expect(said).toMatch(/the image holds PostgreSQL 17, but version 15 is asked for/);
  expect(await restarts()).toBe(before);
});

test('a volume of an earlier topology, of another major version, is refused and left as it is', async () => {
  const before = await restarts();
  await readyTopology('earlier', { ...alone, postgres: { version: 15 } });
  const uid = (await readTopology('earlier'))?.metadata.uid;
  await sql('earlier-1', "create table kept as select 'written by the earlier one' as value; checkpoint");
  await kubectl(['-n', namespace, 'delete', 'rpg', 'earlier', '--timeout=60s'], { timeoutMs: 70_000 });
  await eventually(
    'the instance and the Secrets of the earlier one are gone',
    90_000,
    () => listObjects(namespace, 'statefulsets,pods,secrets,leases', `${labels.topology}=earlier`),
    (objects) => objects.length === 0,
  );
  const volume = await getObject<{ metadata: { uid: string } }>(namespace, 'pvc', 'data-earlier-1-0');

  await applyObject(topologyManifest('earlier', { ...alone, postgres: { version: 17 } }));

  const said = await refusal('earlier', /belongs to another topology/);
  expect(said).toContain(`(uid ${uid}); use an empty volume or restore that topology`);
  const data = '/var/lib/postgresql/data';
  expect(await inPod('earlier-1-0', `ls ${data}`)).toBe('pgdata\nreplica-manager.json');
  expect(await inPod('earlier-1-0', `cat ${data}/pgdata/PG_VERSION`)).toBe('15');
  expect(await inPod('earlier-1-0', `cat ${data}/replica-manager.json`)).toContain(uid);
  expect(
    await inPod('earlier-1-0', `grep -rlF 'written by the earlier one' ${data}/pgdata/base | wc -l`),
  ).toBe('1');
  expect((await getObject<typeof volume>(namespace, 'pvc', 'data-earlier-1-0'))?.metadata.uid).toBe(
    volume?.metadata.uid,
  );
  expect(await restarts()).toBe(before);
});
