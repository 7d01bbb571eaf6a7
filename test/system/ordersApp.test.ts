// The packed library in an application's pod, with the ConfigMap and the Secret of a topology mounted.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../fixtures/kubectl.ts';
import { ordersAppSeconds, startOrdersApp, stopOrdersApp } from '../fixtures/ordersApp.ts';
import { primaryName, readyTopology, replicaNames, sql } from '../fixtures/topology.ts';

/** Ten orders and twenty reads are made in each. */
const seconds = 10;

beforeAll(async () => {
  await readyTopology();
  await startOrdersApp();
});
afterAll(stopOrdersApp);

test('an application writes to the primary and reads from every replica, and nothing fails', async () => {
  const primary = await primaryName();
  const replicas = (await replicaNames()).toSorted();
  // Its very first reads may come before the replicas have the table.
  await eventually(
    'it reads and writes',
    60_000,
    async () => (await ordersAppSeconds()).at(-1),
    (second) => second?.failed === 0 && second.readsFailed === 0,
  );
  const ordersBefore = await countOrders(primary);
  // The second that is under way began before the count, so it is left out.
  const begun = (await ordersAppSeconds()).length + 1;

  const { answer: all } = await eventually(
    `it ran for ${seconds} s`,
    60_000,
    ordersAppSeconds,
    (it) => it.length >= begun + seconds,
  );

  const seen = all.slice(begun, begun + seconds);
  expect(seen.map(({ failed, readsFailed, error }) => ({ failed, readsFailed, error }))).toEqual(
    seen.map(() => ({ failed: 0, readsFailed: 0, error: undefined })),
  );
  expect(new Set(seen.map((it) => it.primary))).toEqual(new Set([primary]));
  const reads = Map.groupBy(
    seen.flatMap((it) => Object.entries(it.reads)),
    ([server]) => server,
  );
  expect([...reads.keys()].toSorted()).toEqual(replicas);
  for (const counts of reads.values()) {
    expect(counts.reduce((sum, [, count]) => sum + count, 0)).toBeGreaterThan(seconds);
  }
  const written = seen.reduce((sum, { writes }) => sum + writes, 0);
  expect(written).toBeGreaterThan(seconds);
  expect((await countOrders(primary)) - ordersBefore).toBeGreaterThanOrEqual(written);
});

const countOrders = async (instance: string) =>
  Number(await sql(instance, 'select count(*) from orders', 'app'));
