// What only the operator or the agent can see becomes a condition and an event; nothing is destroyed
// and the operator does not restart.
import { afterAll, expect, test } from 'vitest';
import { applyObject, eventually, kubectl, listObjects } from '../fixtures/kubectl.ts';
import { namespace, operatorNamespace, readTopology, topologyManifest } from '../fixtures/topology.ts';

const alone = { instances: 1, pooler: { readWrite: { instances: 0 }, readOnly: { instances: 0 } } };
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

afterAll(async () => {
  await kubectl([
    '-n',
    namespace,
    'delete',
    'rpg',
    'badimage',
    'wrongmajor',
    '--ignore-not-found',
    '--wait=false',
  ]);
});

test('an image without PostgreSQL is named in the condition and in an event', async () => {
  const before = await restarts();
  await applyObject(topologyManifest('badimage', { ...alone, postgres: { image: 'debian:does-not-exist' } }));

  await eventually(
    'the condition tells the reason',
    90_000,
    () => readTopology('badimage'),
    (topology) =>
      topology?.status?.conditions?.some(
        (it) =>
          it.type === 'Ready' && it.status === 'False' && /ErrImagePull|ImagePullBackOff/.test(it.message),
      ) === true,
  );
  const warnings = 'involvedObject.name=badimage,type=Warning';
  await eventually(
    'an event tells the reason',
    20_000,
    () =>
      kubectl([
        '-n',
        namespace,
        'get',
        'events',
        '--field-selector',
        warnings,
        '-o',
        'jsonpath={.items[*].message}',
      ]),
    (messages) => /ErrImagePull|ImagePullBackOff/.test(messages),
  );
  expect(await restarts()).toBe(before);
});

test('a volume of another major version is refused, untouched, and said so', async () => {
  const before = await restarts();
  await applyObject(
    topologyManifest('wrongmajor', { ...alone, postgres: { version: 15, image: 'postgres:17' } }),
  );

  await eventually(
    'the condition tells both versions',
    90_000,
    () => readTopology('wrongmajor'),
    (topology) =>
      topology?.status?.conditions?.some(
        (it) =>
          it.type === 'Ready' && it.status === 'False' && /17/.test(it.message) && /15/.test(it.message),
      ) === true,
  );
  expect(await restarts()).toBe(before);
});
