// A whole topology of agents with real servers, in the order in which a cluster would bring it up. The tests build
// on one another: each begins where the one before has ended.

import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCertificateFiles } from '../../src/agent/certificateFiles.ts';
import { StatusServer } from '../../src/agent/statusServer.ts';
import { type AgentTopology, agentTopology, leasePath, podPath } from '../fixtures/agentTopology.ts';
import { becomePostgresUser } from '../fixtures/postgresUser.ts';
import { until } from '../fixtures/temporaryPostgres.ts';

const waiting = { timeout: 30_000, interval: 100 };
let topology: AgentTopology;

beforeAll(async () => {
  await becomePostgresUser();
  topology = await agentTopology();
}, 300_000);
afterAll(() => topology[Symbol.asyncDispose](), 60_000);

test('the first instance initialises the topology and the second clones it and follows', {
  timeout: 90_000,
}, async () => {
  const [first, second] = [topology.instance(1).start(), topology.instance(2).start()];
  await first.runsAs('primary', 60_000);
  await second.runsAs('replica', 60_000);
  await first.query('create table orders (id int); insert into orders values (1)', 'app');
  await expect
    .poll(() => second.query('select id from orders', 'app').catch(() => []), waiting)
    .toEqual([{ id: 1 }]);
  expect(second.status.systemIdentifier).toBe(first.status.systemIdentifier);
  expect(topology.kube.get(leasePath)).toMatchObject({
    metadata: {
      annotations: { 'replica-manager.io/system-identifier': first.status.systemIdentifier },
      ownerReferences: [{ name: 'orders', uid: 'uid-of-orders' }],
    },
    spec: { holderIdentity: 'orders-1', leaseTransitions: 1, leaseDurationSeconds: 5 },
  });
});

test('each pod carries the role of its instance, and a label changed by hand comes back', {
  timeout: 60_000,
}, async () => {
  const label = (name: string) =>
    topology.kube.get<{ metadata: { labels: object } }>(podPath(name))?.metadata.labels;
  await expect.poll(() => label('orders-1'), waiting).toEqual({ 'replica-manager.io/role': 'primary' });
  await expect.poll(() => label('orders-2'), waiting).toEqual({ 'replica-manager.io/role': 'replica' });
  topology.kube.put(podPath('orders-2'), {
    metadata: { name: 'orders-2-0', labels: { 'replica-manager.io/role': 'primary' } },
  });
  await expect.poll(() => label('orders-2'), waiting).toEqual({ 'replica-manager.io/role': 'replica' });
});

test('a setting that may be reloaded takes effect, and one that may not is reported', {
  timeout: 60_000,
}, async () => {
  const first = topology.instance(1);
  topology.configure((config) => ({
    ...config,
    postgres: {
      ...config.postgres,
      parameters: { ...config.postgres.parameters, work_mem: '7MB', max_connections: '40' },
    },
  }));
  await expect.poll(() => first.query('show work_mem'), waiting).toEqual([{ work_mem: '7MB' }]);
  await first.reaches('reports the restart', (it) => it.pendingRestart.includes('max_connections'));
  expect(await first.query('show max_connections')).toEqual([{ max_connections: '30' }]);
});

test('parameters that PostgreSQL refuses are reported, and the others take effect without them', {
  timeout: 60_000,
}, async () => {
  const first = topology.instance(1);
  const withParameters = (parameters: Record<string, string>) =>
    topology.configure((config) => ({ ...config, postgres: { ...config.postgres, parameters } }));
  const before = { shared_buffers: '16MB', work_mem: '7MB', max_connections: '40' };
  withParameters({ ...before, work_men: '9MB', maintenance_work_mem: 'much', deadlock_timeout: '3s' });
  await first.reaches('reports the parameters', (it) =>
    /refuses work_men, maintenance_work_mem: correct/.test(it.reason ?? ''),
  );
  await expect
    .poll(() => first.query('show deadlock_timeout'), waiting)
    .toEqual([{ deadlock_timeout: '3s' }]);
  expect(first.status).toMatchObject({ phase: 'running', role: 'primary', lastError: null });
  withParameters(before);
  await first.reaches('takes all of them', (it) => it.reason === null);
});

test('hba lines that PostgreSQL refuses are reported and do not keep the server from starting again', {
  timeout: 60_000,
}, async () => {
  const first = topology.instance(1);
  const [good, bad] = ['host app app 10.0.0.0/8 scram-sha-256', 'host app app 10.0.0.0/33 scram-sha-256'];
  const withLines = (hba: string[]) =>
    topology.configure((config) => ({ ...config, postgres: { ...config.postgres, hba } }));
  withLines([good, bad]);
  await first.reaches(
    'reports the line',
    (it) => it.reason?.includes('refuses spec.postgres.hba[1]') === true,
  );
  const inFile = async () =>
    (await readFile(`${first.paths.pgdata}/pg_hba.conf`, 'utf8'))
      .split('\n')
      .filter((it) => it.includes('10.0.0'));
  await expect.poll(inFile, waiting).toEqual([good]);
  await first.stop();
  // Both the next start and an agent that has died before it could take the line out.
  const file = `${first.paths.pgdata}/pg_hba.conf`;
  await writeFile(file, (await readFile(file, 'utf8')).replace(good, `${good}\n${bad}`));
  first.start();
  await first.runsAs('primary');
  await expect.poll(inFile, waiting).toEqual([good]);
  await first.reaches(
    'reports the line',
    (it) => it.reason?.includes('refuses spec.postgres.hba[1]') === true,
  );
  withLines([]);
  await first.reaches('takes all of them', (it) => it.reason === null);
});

test('the primary keeps a slot for every other instance and drops those of instances that are gone', {
  timeout: 60_000,
}, async () => {
  const first = topology.instance(1);
  const slots = () => first.query('select slot_name::text as name from pg_replication_slots order by 1');
  topology.configure((config) => ({
    ...config,
    instances: [...config.instances, { name: 'orders-3', host: '127.0.0.99' }],
  }));
  await expect.poll(slots, waiting).toEqual([{ name: 'orders_2' }, { name: 'orders_3' }]);
  await first.query("select pg_create_physical_replication_slot('backup_of_a_person')");
  topology.configure((config) => ({ ...config, instances: config.instances.slice(0, 2) }));
  await expect.poll(slots, waiting).toEqual([{ name: 'backup_of_a_person' }, { name: 'orders_2' }]);
});

test('a primary whose server is killed starts again in place at the same epoch', {
  timeout: 60_000,
}, async () => {
  const first = topology.instance(1);
  const before = await first.postmaster();
  process.kill(before, 'SIGKILL');
  await expect.poll(() => first.postmaster().catch(() => before), waiting).not.toBe(before);
  await first.runsAs('primary');
  expect(first.status.epoch).toBe(1);
  expect(await first.query('select count(*)::int as n from orders', 'app')).toEqual([{ n: 1 }]);
});

test('a replica whose settings the restarted primary has outgrown is restarted and replays on', {
  timeout: 60_000,
}, async () => {
  const [first, second] = [topology.instance(1), topology.instance(2)];
  expect(await first.query('show max_connections')).toEqual([{ max_connections: '40' }]);
  await first.query('insert into orders values (7)', 'app');
  await expect
    .poll(() => second.query('select id from orders', 'app').catch(() => []), waiting)
    .toHaveLength(2);
  expect(await second.query('show max_connections')).toEqual([{ max_connections: '40' }]);
});

test('without the API server PostgreSQL goes on, and the agent finds back', { timeout: 60_000 }, async () => {
  const [first, second] = [topology.instance(1), topology.instance(2)];
  const postmaster = await first.postmaster();
  topology.kube.isAway = true;
  await until(
    'the agents notice',
    () => first.said(/Lease can be neither/) && second.said(/Lease can be neither/),
  );
  await first.query('insert into orders values (8)', 'app');
  await expect
    .poll(() => second.query('select id from orders', 'app').catch(() => []), waiting)
    .toHaveLength(3);
  topology.kube.isAway = false;
  const before = topology.kube.writes.length;
  await until('the Lease is renewed', () => topology.kube.writes.length > before);
  expect(await first.postmaster()).toBe(postmaster);
});

test('a Lease that was deleted is made again by the primary with its own epoch', {
  timeout: 60_000,
}, async () => {
  topology.kube.objects.delete(leasePath);
  await expect
    .poll(() => topology.kube.get(leasePath), waiting)
    .toMatchObject({ spec: { holderIdentity: 'orders-1', leaseTransitions: 1 } });
});

test('status is told to members of the topology only, health to anybody', async () => {
  const first = topology.instance(1);
  const certificate = await readCertificateFiles(first.settings.places.tlsDir);
  const server = new StatusServer(certificate, first.loop);
  await server.listen(0, '127.0.0.11');
  const port = server.port;
  const member = await topology.authority.issue('replica_manager_monitor');
  const ask = async (path: string, identity: object) => {
    const sent = request({ host: '127.0.0.11', port, path, ca: topology.authority.ca, ...identity }).end();
    const [response] = await once(sent, 'response');
    const body = (await response.toArray()).join('');
    return { status: response.statusCode, body };
  };
  try {
    expect(await ask('/livez', {})).toEqual({ status: 200, body: 'ok\n' });
    expect(await ask('/readyz', {})).toEqual({ status: 200, body: 'ok\n' });
    expect((await ask('/status', {})).status).toBe(401);
    const told = await ask('/status', member);
    expect(JSON.parse(told.body)).toMatchObject({
      instance: 'orders-1',
      phase: 'running',
      role: 'primary',
      timeline: 1,
    });
  } finally {
    await server.close();
  }
});

test('an agent that is told to end stops its server in order: checkpoint, then a clean shutdown', {
  timeout: 60_000,
}, async () => {
  const second = topology.instance(2);
  await second.stop();
  expect(second.status.phase).toBe('stopped');
  const first = topology.instance(1);
  await first.stop();
  const order = first.log
    .map(({ message }) => message)
    .filter((it) => /^checkpoint starting: immediate force|received fast|is shut down/.test(it));
  expect(order.slice(-3)).toEqual([
    expect.stringMatching(/^checkpoint starting: immediate force/),
    'received fast shutdown request',
    'database system is shut down',
  ]);
  await expect(first.postmaster()).rejects.toThrow(/ENOENT/);
});

test('both start again as what they were, and nothing is initialised or cloned twice', {
  timeout: 60_000,
}, async () => {
  const [first, second] = [topology.instance(1).start(), topology.instance(2).start()];
  await first.runsAs('primary');
  await second.runsAs('replica');
  for (const it of [first, second]) {
    expect(it.log.filter(({ message }) => message === 'work on the volume has begun')).toHaveLength(1);
  }
  await first.reaches('has no pending restart any more', (it) => it.pendingRestart.length === 0);
});

test('the record names the topology, the system and the epoch', async () => {
  const first = topology.instance(1);
  expect(JSON.parse(await readFile(first.paths.record, 'utf8'))).toEqual({
    version: 1,
    topologyUid: 'uid-of-orders',
    systemIdentifier: first.status.systemIdentifier,
    epoch: 1,
    majorVersion: expect.any(Number),
  });
});
