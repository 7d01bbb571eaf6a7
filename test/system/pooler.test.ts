// What an application sees of the poolers, from a pod of the cluster.
import { beforeAll, expect, test } from 'vitest';
import { askPooler } from '../fixtures/askPooler.ts';
import { eventually, kubectl } from '../fixtures/kubectl.ts';
import {
  instanceStatus,
  namespace,
  primaryName,
  readyTopology,
  replicaNames,
  servicePods,
} from '../fixtures/topology.ts';

const whoAreYou = 'select inet_server_addr()';

async function addressOf(instance: string): Promise<string> {
  const jsonpath = 'jsonpath={.status.podIP}';
  return (await kubectl(['-n', namespace, 'get', 'pod', `${instance}-0`, '-o', jsonpath])).trim();
}

beforeAll(async () => {
  await readyTopology();
  for (const service of ['orders-pooler-rw', 'orders-pooler-ro']) {
    await eventually(
      `${service} has two pods`,
      60_000,
      () => servicePods(service),
      (pods) => pods.length === 2,
    );
  }
});

test('the read-write pooler leads to the primary', async () => {
  expect(await askPooler([whoAreYou], { pooler: 'rw' })).toBe(await addressOf(await primaryName()));
});

test('the read-only pooler serves one client by every replica in turn', async () => {
  const replicas = await replicaNames();
  for (const replica of replicas) expect((await instanceStatus(replica)).routable).toBe(true);
  const addresses = await Promise.all(replicas.map(addressOf));
  // One session each time. Connections are opened one after the other, a few a second, and only once a pooler
  // has followed the newest document, so the first session may meet fewer replicas than a later one.
  const statements = Array.from({ length: 20 }, () => ['select pg_sleep(0.1)', whoAreYou]).flat();
  const session = async () =>
    [...new Set((await askPooler(statements, { pooler: 'ro' })).split('\n').filter(Boolean))].toSorted();

  const { answer } = await eventually('one session meets every replica', 60_000, session, (met) =>
    addresses.every((address) => met.includes(address)),
  );

  expect(answer).toEqual(addresses.toSorted());
});

test('the poolers let no superuser in, nobody without TLS, and nobody to the admin console', async () => {
  for (const pooler of ['rw', 'ro'] as const) {
    expect(await askPooler(['select 1'], { pooler, user: 'postgres' })).toContain('no such user');
    expect(await askPooler(['select 1'], { pooler, sslmode: 'disable' })).toContain('SSL required');
    expect(await askPooler(['show pools'], { pooler, database: 'pgbouncer' })).toContain('not allowed');
  }
});

test('poolers that are replaced under load fail no transaction that has begun', async () => {
  const pods = await servicePods('orders-pooler-rw');
  const slow = Array.from({ length: 3 }, () =>
    askPooler(['begin; select pg_sleep(4), 7 as answer; commit'], { pooler: 'rw' }),
  );
  await eventually(
    'the transactions run',
    10_000,
    () =>
      askPooler(
        [
          `select count(*) from pg_stat_activity where query like '%answer; commit%' and state = 'active' and pid <> pg_backend_pid()`,
        ],
        { pooler: 'rw' },
      ),
    (count) => Number(count) >= 3,
  );

  await kubectl(['-n', namespace, 'delete', 'pod', '--wait=false', ...pods]);

  for (const output of await Promise.all(slow)) expect(output).toMatch(/\|7$/m);
  await eventually(
    'two new poolers serve',
    60_000,
    () => servicePods('orders-pooler-rw'),
    (now) => now.length === 2 && now.every((pod) => !pods.includes(pod)),
  );
});
