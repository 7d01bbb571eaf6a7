// An empty volume of a known topology is cloned, never initialised: a second initdb would be a second database.
import { beforeAll, expect, test } from 'vitest';
import { eventually, getObject, kubectl } from '../fixtures/kubectl.ts';
import { namespace, readTopology, readyTopology, sql } from '../fixtures/topology.ts';

beforeAll(async () => {
  await readyTopology();
});

test('a replica that lost its volume is cloned again and belongs to the same database system', async () => {
  const before = await getObject<{ metadata: { uid: string } }>(namespace, 'pvc', 'data-orders-3-0');
  await kubectl(['-n', namespace, 'delete', 'pvc', 'data-orders-3-0', '--wait=false']);
  await kubectl(['-n', namespace, 'delete', 'pod', 'orders-3-0', '--wait=true'], { timeoutMs: 70_000 });
  await eventually(
    'it has a new volume',
    60_000,
    () => getObject<{ metadata: { uid: string } }>(namespace, 'pvc', 'data-orders-3-0'),
    (it) => it !== undefined && it.metadata.uid !== before?.metadata.uid,
  );

  await eventually(
    'it is ready',
    120_000,
    readTopology,
    (topology) => topology?.status?.phase === 'Ready' && topology.status.routableReplicas === 2,
  );
  expect(await sql('orders-3', 'select system_identifier from pg_control_system()')).toBe(
    (await readTopology())?.status?.systemIdentifier,
  );
});
