import { beforeAll, expect, test } from 'vitest';
import type { ReplicatedPostgres } from '../../src/api/replicatedPostgres.ts';
import { getObject, kubectl } from '../fixtures/kubectl.ts';
import {
  instanceStatus,
  namespace,
  primaryName,
  readEndpoints,
  readTopology,
  readyTopology,
  replicaNames,
  servicePods,
  sql,
} from '../fixtures/topology.ts';

let applyToReadyMs = 0;

beforeAll(async () => {
  applyToReadyMs = (await readyTopology()).tookMs;
  console.log(`from apply to three routable instances: ${applyToReadyMs} ms`);
});

test('three instances run: one primary and two streaming replicas', async () => {
  const primary = await primaryName();
  const standbys = await sql(primary, 'select application_name, state from pg_stat_replication order by 1');

  expect(standbys.split('\n')).toEqual((await replicaNames()).toSorted().map((name) => `${name}|streaming`));
});

test('kubectl get rpg shows phase, primary, readiness, lag and routable replicas', async () => {
  const table = await kubectl(['-n', namespace, 'get', 'rpg']);
  const [header = '', row = ''] = table.trim().split('\n');

  expect(header.split(/\s+/)).toEqual([
    'NAME',
    'PHASE',
    'PRIMARY',
    'READY',
    'REPLICAS',
    'MAX-LAG',
    'ROUTABLE',
    'AGE',
  ]);
  expect(row).toMatch(/^orders\s+Ready\s+orders-1\s+3\/3\s+3\s+[0-9.]+s\s+2\s+\S+$/);
});

test('what is written to the primary is read from every replica', async () => {
  const primary = await primaryName();
  await sql(primary, 'create table if not exists copies (value text); truncate copies');
  await sql(primary, "insert into copies values ('seen')");
  const position = await sql(primary, 'select pg_current_wal_lsn()');

  for (const replica of await replicaNames()) {
    await expect
      .poll(() => sql(replica, `select pg_last_wal_replay_lsn() >= '${position}'`), { timeout: 10_000 })
      .toBe('t');
    expect(await sql(replica, 'select value from copies')).toBe('seen');
  }
});

test('Services lead to the primary and to the routable replicas, and nowhere else', async () => {
  const primary = await primaryName();
  const replicas = await replicaNames();

  expect(await servicePods('orders-primary')).toEqual([`${primary}-0`]);
  expect(await servicePods('orders-replicas')).toEqual(replicas.map((name) => `${name}-0`).toSorted());
});

test('the endpoints document names the same primary and replicas as the status', async () => {
  const document = await readEndpoints();
  const topology = (await readTopology()) as ReplicatedPostgres;

  expect({
    primary: document.primary?.name,
    epoch: document.epoch,
    replicas: document.replicas.map(({ name, routable }) => ({ name, routable })),
    systemIdentifier: document.topology.systemIdentifier,
    generation: document.generation,
  }).toEqual({
    primary: topology.status?.primary?.name,
    epoch: topology.status?.primary?.epoch,
    replicas: (await replicaNames()).map((name) => ({ name, routable: true })),
    systemIdentifier: topology.status?.systemIdentifier,
    generation: topology.status?.routing?.generation,
  });
});

test('lag of every replica is known and small once nothing is written', async () => {
  for (const replica of await replicaNames()) {
    await expect.poll(async () => (await instanceStatus(replica)).lagSeconds, { timeout: 30_000 }).toBe(0);
    expect((await instanceStatus(replica)).receiver).toBe('streaming');
  }
});

test('the Lease names the primary, its epoch and the database system', async () => {
  const lease = await getObject<{
    spec: Record<string, unknown>;
    metadata: { annotations: Record<string, string> };
  }>(namespace, 'lease', 'orders-primary');
  const topology = await readTopology();

  expect(lease?.spec).toMatchObject({
    holderIdentity: topology?.status?.primary?.name,
    leaseTransitions: topology?.status?.primary?.epoch,
  });
  expect(lease?.metadata.annotations['replica-manager.io/system-identifier']).toBe(
    topology?.status?.systemIdentifier,
  );
});
