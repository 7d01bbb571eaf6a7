import { beforeAll, expect, test } from 'vitest';
import { eventually, getObject, kubectl } from '../fixtures/kubectl.ts';
import { namespace, primaryName, readyTopology, sql } from '../fixtures/topology.ts';

interface Pod {
  metadata: { uid: string };
  status: { conditions?: { type: string; status: string }[] };
}
const isPodReady = (pod: Pod | undefined) =>
  pod?.status.conditions?.some((it) => it.type === 'Ready' && it.status === 'True') === true;

beforeAll(async () => {
  await readyTopology();
});

test.each(['orders-2', 'orders-1'])(
  'the pod of %s is ready again after it was deleted, with its data',
  async (instance) => {
    const primary = await primaryName();
    await sql(
      primary,
      `create table if not exists kept (value text); insert into kept values ('${instance}')`,
    );
    const before = await getObject<Pod>(namespace, 'pod', `${instance}-0`);
    const started = performance.now();
    await kubectl(['-n', namespace, 'delete', 'pod', `${instance}-0`, '--wait=false']);

    await eventually(
      `${instance} is ready again`,
      60_000,
      () => getObject<Pod>(namespace, 'pod', `${instance}-0`),
      (pod) => pod?.metadata.uid !== before?.metadata.uid && isPodReady(pod),
      100,
    );
    console.log(`pod of ${instance} deleted → ready again: ${Math.round(performance.now() - started)} ms`);
    await readyTopology();
    expect(await sql(instance, `select count(*) > 0 from kept where value = '${instance}'`)).toBe('t');
  },
);
