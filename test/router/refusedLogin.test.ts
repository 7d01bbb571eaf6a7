// One replica that does not let the application in, because it has not replayed that yet or its login is another, while others do.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { ReplicaManager } from '../../src/router/index.ts';
import { asReplica, codeOf, RoutedTopology, serverOf, serverSql } from '../fixtures/routedTopology.ts';
import { type TemporaryServer, until } from '../fixtures/temporaryPostgres.ts';

let topology: RoutedTopology;

beforeAll(async () => {
  topology = await RoutedTopology.start();
  const [second, third] = topology.replicas;
  await second.query('SELECT pg_wal_replay_pause()');
  await topology.postgres.primary.query(`CREATE ROLE late LOGIN PASSWORD 'not everywhere yet'`);
  const isThere = `SELECT 1 FROM pg_roles WHERE rolname = 'late'`;
  await until('one replica knows the role', async () => (await third.query(isThere)).rows.length > 0);
}, 60_000);
afterEach(() => topology.reset());
afterAll(() => topology[Symbol.asyncDispose]());

/** Logs in as a role that the second instance does not know. */
function manage(
  replicas: readonly TemporaryServer[] = topology.replicas,
  fallbackToPrimary = true,
): ReplicaManager {
  const routing = { maxLagSeconds: 60, resumeLagSeconds: 30, fallbackToPrimary };
  topology.publish({ replicas: replicas.map((server) => asReplica(server)), routing });
  topology.secret.write(topology.files({ username: 'late', password: 'not everywhere yet' }));
  return topology.manage({ consistency: 'eventual' });
}

async function serversOf(manager: ReplicaManager, count: number): Promise<Set<string>> {
  const servers = new Set<string>();
  for (let index = 0; index < count; index += 1) servers.add(await serverOf(manager));
  return servers;
}

const verdictsOf = (manager: ReplicaManager) =>
  manager.status().replicas.map(({ name, verdict }) => [name, verdict]);

test('a read is answered by another replica, and the one that refuses rests', async () => {
  const manager = manage();
  expect(await serversOf(manager, 6)).toEqual(new Set(['orders-3']));
  expect(verdictsOf(manager)).toEqual([
    ['orders-2', { kind: 'resting', reason: 'password authentication failed for user "late"' }],
    ['orders-3', { kind: 'serving' }],
  ]);
});

test('a read is answered by the primary when the only replica refuses', async () => {
  const [second] = topology.replicas;
  const manager = manage([second]);
  expect(await serversOf(manager, 3)).toEqual(new Set(['orders-1']));
});

test('a transaction that is read only begins where it may', async () => {
  const manager = manage();
  for (let index = 0; index < 4; index += 1) {
    const { rows } = await manager.transaction((client) => client.query(serverSql), { readOnly: true });
    expect(rows).toEqual([{ server: 'orders-3' }]);
  }
});

test('the caller is told when nobody else may answer', async () => {
  const [second] = topology.replicas;
  const manager = manage([second], false);
  expect([await codeOf(serverOf(manager)), await codeOf(serverOf(manager))]).toEqual(['28P01', '28P01']);
});

test('a replica whose certificate is not trusted is passed over', async () => {
  const [second, third] = topology.replicas;
  // Another spelling of 127.0.0.1: the same server, under a name that its certificate does not have.
  const misnamed = asReplica(second, { host: '127.1' });
  topology.publish({ replicas: [misnamed, asReplica(third)] });
  const manager = topology.manage({ consistency: 'eventual' });
  expect(await serversOf(manager, 4)).toEqual(new Set(['orders-3']));
});
