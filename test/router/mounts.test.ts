// What changes when the mounted document or Secret does, under load.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { endpointsDocument } from '../fixtures/endpointsDocument.ts';
import { MountedFolder } from '../fixtures/mountedFolder.ts';
import {
  asReplica,
  codeOf,
  follows,
  RoutedTopology,
  readWithoutPause,
  serverOf,
  serverSql,
} from '../fixtures/routedTopology.ts';
import { type TemporaryServer, until } from '../fixtures/temporaryPostgres.ts';

let topology: RoutedTopology;

beforeAll(async () => {
  topology = await RoutedTopology.start();
}, 60_000);
afterEach(() => topology.reset());
afterAll(() => topology[Symbol.asyncDispose]());

test('a replica that the document calls not routable takes no reads, and says why in the status', async () => {
  const [second, third] = topology.replicas;
  const generation = topology.publish({
    replicas: [asReplica(second, { routable: false, reason: 'lags by 12 s' }), asReplica(third)],
  });
  const manager = topology.manage();
  for (let count = 0; count < 3; count += 1) expect(await serverOf(manager)).toBe('orders-3');
  expect(manager.status()).toMatchObject({
    topology: { ...endpointsDocument().topology, systemIdentifier: topology.systemIdentifier },
    epoch: 12,
    generation,
    primary: { ...pick(topology.postgres.primary), connections: { total: 0, idle: 0, waiting: 0 } },
    replicas: [
      {
        ...pick(second),
        connections: { total: 0, idle: 0, waiting: 0 },
        verdict: { kind: 'excluded', reason: 'lags by 12 s' },
      },
      { ...pick(third), connections: { total: 1, idle: 1, waiting: 0 }, verdict: { kind: 'serving' } },
    ],
    problems: [],
  });

  await follows(manager, topology.publish({ replicas: [asReplica(second, { routable: false })] }));
  expect([manager.hasReadReplicas(), await serverOf(manager)]).toEqual([false, 'orders-1']);
});

const pick = ({ name, host, port }: TemporaryServer) => ({ name, host, port });

test('documents change a hundred times under load and no query fails; removed replicas are left by all', async () => {
  const [second, third] = topology.replicas;
  topology.publish();
  const manager = topology.manage({ applicationName: 'under load' });
  const load = readWithoutPause(manager, `${serverSql}, pg_sleep(0.005)`);
  const shapes = [[second], [third], [], [second, third]];
  for (let count = 0; count < 100; count += 1) {
    const servers = shapes[count % shapes.length] ?? [];
    await follows(manager, topology.publish({ replicas: servers.map((server) => asReplica(server)) }));
  }
  await follows(manager, topology.publish({ replicas: [asReplica(second)] }));
  const sessions = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'under load'`;
  const left = async () => (await third.query(sessions)).rows[0].count === 0;
  await until('orders-3 is left alone', left);
  await load.stop();
  expect(load.errors).toEqual([]);
  expect([...load.servers.keys()].toSorted()).toEqual(['orders-1', 'orders-2', 'orders-3']);
});

test('a statement under way on a removed replica gets its answer', async () => {
  const [second, third] = topology.replicas;
  topology.publish({ replicas: [asReplica(second)] });
  const manager = topology.manage({ poolSize: 1 });
  const slow = manager.routeQuery('SELECT', `${serverSql}, pg_sleep(0.5)`);
  const queued = manager.routeQuery('SELECT', serverSql);
  await until('one waits for the other', () => manager.status().replicas[0]?.connections.waiting === 1);
  await follows(manager, topology.publish({ replicas: [asReplica(third)] }));
  expect(await serverOf(manager)).toBe('orders-3');
  expect([(await slow).rows[0]?.['server'], (await queued).rows[0]?.['server']]).toEqual([
    'orders-2',
    'orders-2',
  ]);
});

test('what still runs on a removed replica after the drain is closed, and a read goes on elsewhere', async () => {
  const [second, third] = topology.replicas;
  topology.publish({ replicas: [asReplica(second)] });
  const manager = topology.manage({ drainTimeoutMs: 300 });
  const held = manager.transaction(
    async (client) => {
      await client.exec('SELECT 1');
      const read = manager.routeQuery('SELECT', `/* rpg: replica */ ${serverSql}, pg_sleep(1.5)`);
      await until('both are there', () => manager.status().replicas[0]?.connections.total === 2);
      await follows(manager, topology.publish({ replicas: [asReplica(third)] }));
      expect((await read).rows).toMatchObject([{ server: 'orders-3' }]);
      await client.exec('SELECT 1');
    },
    { readOnly: true },
  );
  expect(await codeOf(held)).toBe('RPG_TRANSACTION_LOST');
  await until('nobody of us is there any more', async () => {
    const sql = `SELECT FROM pg_stat_activity WHERE application_name = 'replica-manager'`;
    return (await second.query(sql)).rows.length === 0;
  });
});

test('an older, a broken and a missing document change nothing', async () => {
  topology.publish({ epoch: 13 });
  const manager = topology.manage();
  await serverOf(manager);
  const before = manager.status();

  topology.publish({ epoch: 12, primary: null, replicas: [] });
  await until('the older one is refused', () => manager.status().problems.join().includes('is older'));
  topology.endpoints.write({ 'endpoints.json': '{' });
  await until('the broken one is refused', () => manager.status().problems.join().includes('valid JSON'));
  topology.endpoints.write({});
  await until('the missing one is noticed', () =>
    manager.status().problems.join().includes('does not exist'),
  );

  expect([await serverOf(manager), await serverOf(manager, 'INSERT')]).toEqual(['orders-3', 'orders-1']);
  expect(manager.status()).toMatchObject({ epoch: before.epoch, generation: before.generation });
});

test('credentials are rotated under load and no query fails', async () => {
  await topology.postgres.primary.query(`CREATE ROLE app_2 LOGIN PASSWORD 'the next one'`);
  await topology.postgres.caughtUp();
  topology.publish();
  const manager = topology.manage();
  const load = readWithoutPause(manager, `SELECT current_user AS server, pg_sleep(0.002)`);
  await until('the first user reads', () => load.servers.has('app'));
  topology.secret.write(topology.files({ username: 'app_2', password: 'the next one' }));
  await until('the second user reads', () => load.servers.has('app_2'));
  await topology.postgres.primary.query('ALTER ROLE app NOLOGIN');
  load.servers.clear();
  await until('only the second user reads', () => load.servers.get('app_2') !== undefined);
  await load.stop();
  await topology.postgres.primary.query('ALTER ROLE app LOGIN');
  await topology.postgres.caughtUp();
  expect([load.errors, [...load.servers.keys()]]).toEqual([[], ['app_2']]);
});

test('a statement waits for the first document and the first credentials, but not for ever', async () => {
  using nothing = new MountedFolder();
  const options = { firstDocumentTimeoutMs: 200 };
  expect(await codeOf(topology.manage(options).routeQuery('SELECT', serverSql))).toBe('RPG_NO_ENDPOINTS');
  topology.endpoints.write({ 'endpoints.json': '{' });
  expect(await codeOf(topology.manage(options).routeQuery('SELECT', serverSql))).toBe(
    'RPG_ENDPOINTS_INVALID',
  );
  topology.publish();
  const without = topology.manage({ ...options, credentialsDir: nothing.path });
  expect(await codeOf(without.routeQuery('SELECT', serverSql))).toBe('RPG_NO_CREDENTIALS');
  expect(without.hasReadReplicas()).toBe(false);

  const late = topology.manage({ credentialsDir: nothing.path });
  const waiting = serverOf(late);
  nothing.write(topology.files());
  expect(await waiting).toBe('orders-2');
});

test('what is mounted already is known before the first statement', () => {
  topology.publish();
  expect(topology.manage().hasReadReplicas()).toBe(true);
});

test('the end also ends a wait for the first document', async () => {
  const manager = topology.manage();
  const waiting = codeOf(manager.routeQuery('SELECT', serverSql));
  await manager.end();
  expect(await waiting).toBe('RPG_CLOSED');
});
