import { afterAll, beforeAll, expect, test } from 'vitest';
import { askPooler } from '../fixtures/askPooler.ts';
import { eventually, kubectl, listObjects } from '../fixtures/kubectl.ts';
import {
  namespace,
  operatorNamespace,
  primaryName,
  readyTopology,
  replicaNames,
  sql,
} from '../fixtures/topology.ts';

interface Pod {
  metadata: { name: string; uid: string };
  status: { containerStatuses?: { restartCount: number }[] };
}

const scaleOperator = async (replicas: number) => {
  await kubectl([
    '-n',
    operatorNamespace,
    'scale',
    'deployment',
    'replica-manager',
    `--replicas=${replicas}`,
  ]);
  const gone =
    replicas === 0
      ? ['wait', '--for=delete', 'pod', '-l', 'app.kubernetes.io/name=replica-manager', '--timeout=90s']
      : undefined;
  await kubectl(
    [
      '-n',
      operatorNamespace,
      ...(gone ?? ['rollout', 'status', 'deployment/replica-manager', '--timeout=120s']),
    ],
    { timeoutMs: 130_000 },
  );
};

const pods = async () =>
  (await listObjects<Pod>(namespace, 'pods', 'replica-manager.io/topology=orders'))
    .map(
      ({ metadata, status }) =>
        `${metadata.name} ${metadata.uid} restarts ${status.containerStatuses?.map((it) => it.restartCount).join()}`,
    )
    .toSorted();

beforeAll(async () => {
  await readyTopology();
});
afterAll(async () => {
  await scaleOperator(2);
});

test('writes, replication and poolers go on without the operator, and nothing restarts when it returns', async () => {
  const before = await pods();
  await scaleOperator(0);
  const primary = await primaryName();
  await sql(primary, 'create table if not exists alone (value int); insert into alone values (1)');
  const position = await sql(primary, 'select pg_current_wal_lsn()');
  for (const replica of await replicaNames()) {
    await eventually(
      `${replica} replays`,
      10_000,
      () => sql(replica, `select pg_last_wal_replay_lsn() >= '${position}'`),
      (it) => it === 't',
    );
  }
  const written = 'insert into through_pooler values (2) returning pg_is_in_recovery()';
  const table = 'create table if not exists through_pooler (value int)';
  expect(await askPooler([table, written], { pooler: 'rw' })).toMatch(/^f$/m);
  expect(await askPooler(['select pg_is_in_recovery()'], { pooler: 'ro' })).toBe('t');

  await scaleOperator(2);
  await readyTopology();
  expect(await pods()).toEqual(before);
});
