import { expect, test } from 'vitest';
import { eventually, getObject, kubectl, listObjects } from '../fixtures/kubectl.ts';
import { namespace, readyTopology } from '../fixtures/topology.ts';

const volumes = (name: string) =>
  listObjects<{ metadata: { name: string } }>(namespace, 'pvc', `replica-manager.io/topology=${name}`);
const left = (name: string) =>
  listObjects(
    namespace,
    'statefulsets,services,deployments,secrets,configmaps,roles,serviceaccounts,leases',
    `replica-manager.io/topology=${name}`,
  );

test('deleting a topology removes all but its volumes, and an event names them', async () => {
  await readyTopology('kept', {
    instances: 1,
    pooler: { readWrite: { instances: 0 }, readOnly: { instances: 0 } },
  });
  await kubectl(['-n', namespace, 'delete', 'rpg', 'kept', '--timeout=60s'], { timeoutMs: 70_000 });

  await eventually(
    'its objects are gone',
    60_000,
    () => left('kept'),
    (objects) => objects.length === 0,
  );
  expect((await volumes('kept')).map(({ metadata }) => metadata.name)).toEqual(['data-kept-1-0']);
  const events = await kubectl([
    '-n',
    namespace,
    'get',
    'events',
    '--field-selector',
    'reason=VolumesRetained',
    '-o',
    'jsonpath={.items[*].message}',
  ]);
  expect(events).toContain('data-kept-1-0');
  await kubectl(['-n', namespace, 'delete', 'pvc', 'data-kept-1-0', '--wait=false']);
});

test('with storage.onDelete Delete the volumes go as well', async () => {
  const spec = {
    instances: 1,
    storage: { size: '1Gi', onDelete: 'Delete' },
    pooler: { readWrite: { instances: 0 }, readOnly: { instances: 0 } },
  };
  await readyTopology('gone', spec);
  await kubectl(['-n', namespace, 'delete', 'rpg', 'gone', '--timeout=60s'], { timeoutMs: 70_000 });

  await eventually(
    'its volumes are gone',
    60_000,
    () => volumes('gone'),
    (list) => list.length === 0,
  );
  expect(await getObject(namespace, 'rpg', 'gone')).toBeUndefined();
});
