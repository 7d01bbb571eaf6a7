import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, getObject, kubectl } from '../fixtures/kubectl.ts';
import { namespace, primaryName, readTopology, readyTopology, sql } from '../fixtures/topology.ts';

const scaleTo = (instances: number) =>
  kubectl(['-n', namespace, 'scale', 'rpg', 'orders', `--replicas=${instances}`]);
const slots = async () =>
  (await sql(await primaryName(), 'select slot_name from pg_replication_slots order by 1'))
    .split('\n')
    .filter(Boolean);

beforeAll(async () => {
  await readyTopology();
});
afterAll(async () => {
  await scaleTo(3);
  await kubectl(['-n', namespace, 'delete', 'pvc', 'data-orders-4-0', '--ignore-not-found', '--wait=false']);
  await readyTopology();
});

test('scaling up clones a new replica that streams through a slot of its own', async () => {
  await scaleTo(4);
  const { tookMs } = await readyTopology();
  console.log(`scaled to four → four ready and routable: ${tookMs} ms`);

  expect(await slots()).toEqual(['orders_2', 'orders_3', 'orders_4']);
  expect(await sql('orders-4', 'select pg_is_in_recovery()')).toBe('t');
});

test('scaling down removes the highest replica and its slot, and keeps its volume', async () => {
  await scaleTo(3);

  await eventually(
    'the StatefulSet is gone',
    30_000,
    () => getObject(namespace, 'statefulset', 'orders-4'),
    (it) => it === undefined,
  );
  await eventually('the slot is gone', 60_000, slots, (it) => !it.includes('orders_4'));
  expect(await getObject(namespace, 'pvc', 'data-orders-4-0')).toBeDefined();
  expect((await readTopology())?.status?.instances?.map(({ name }) => name)).not.toContain('orders-4');
});
