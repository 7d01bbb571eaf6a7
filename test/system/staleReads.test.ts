// A replica whose replay stands still while the primary writes must leave every way of reading, and
// must come back once it has caught up.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askPooler } from '../fixtures/askPooler.ts';
import { type Doing, keepDoing } from '../fixtures/keepDoing.ts';
import { eventually, kubectl } from '../fixtures/kubectl.ts';
import {
  instanceStatus,
  namespace,
  primaryName,
  readEndpoints,
  readyTopology,
  servicePods,
  sql,
} from '../fixtures/topology.ts';

const late = 'orders-3';
let writer: Doing | undefined;

/** Hosts that the read-only poolers are told to connect to. */
async function configuredHosts(): Promise<string> {
  const pods = await kubectl([
    '-n',
    namespace,
    'get',
    'pods',
    '-l',
    'replica-manager.io/pooler=ro',
    '-o',
    'name',
  ]);
  const answers = pods
    .trim()
    .split('\n')
    .map((pod) =>
      kubectl([
        '-n',
        namespace,
        'exec',
        pod,
        '-c',
        'pgbouncer',
        '--',
        'grep',
        '-h',
        'host=',
        '/run/pgbouncer/pgbouncer.ini',
      ]),
    );
  return (await Promise.all(answers)).join('');
}

/** Connections of the application to the late replica, which only the read-only poolers make here. */
const connectionsToLate = async () =>
  Number(await sql(late, "select count(*) from pg_stat_activity where usename = 'app'"));

/** One client of the read-only pooler, and twenty transactions; fails when one of them does. */
async function readThroughPooler(): Promise<void> {
  const reads = Array.from({ length: 20 }, () => "select 'read' from pg_sleep(0.05)");
  const answers = await askPooler(reads, { pooler: 'ro' });
  expect(answers.split('\n')).toEqual(reads.map(() => 'read'));
}

beforeAll(async () => {
  await readyTopology();
  const primary = await primaryName();
  await sql(primary, 'create table if not exists ticks (at timestamptz); truncate ticks');
  writer = keepDoing(() => sql(primary, 'insert into ticks select now() from generate_series(1, 5)'));
});

// The replay first: whatever else has failed, no other test is to meet a replica that stands still.
afterAll(async () => {
  await sql(late, 'select pg_wal_replay_resume()');
  await writer?.stop();
});

test('a replica with paused replay leaves the read Service, the endpoints document and the read-only pooler', async () => {
  await using _reader = keepDoing(readThroughPooler);
  await eventually('the pooler reads from it', 30_000, connectionsToLate, (count) => count > 0);
  await sql(late, 'select pg_wal_replay_pause()');
  const started = performance.now();
  const since = () => Math.round(performance.now() - started);

  await eventually(
    'it is not routable',
    25_000,
    () => instanceStatus(late),
    ({ routable }) => !routable,
  );
  console.log(`replay paused → status says not routable: ${since()} ms`);
  await eventually(
    'it left the endpoints document',
    5_000,
    readEndpoints,
    ({ replicas }) => replicas.find(({ name }) => name === late)?.routable === false,
    100,
  );
  console.log(`replay paused → out of the endpoints document: ${since()} ms`);
  await eventually(
    'it left the read Service',
    5_000,
    () => servicePods('orders-replicas'),
    (pods) => !pods.includes(`${late}-0`),
    100,
  );
  console.log(`replay paused → out of the read Service: ${since()} ms`);
  await eventually(
    'the read-only poolers are told to leave it',
    10_000,
    configuredHosts,
    (hosts) => hosts !== '' && !hosts.includes(`${late}-0`),
    200,
  );
  console.log(`replay paused → out of the configuration of the read-only poolers: ${since()} ms`);
  await eventually(
    'the read-only poolers have no connection to it, while clients read',
    10_000,
    connectionsToLate,
    (count) => count === 0,
    200,
  );
  console.log(`replay paused → no connection of the read-only poolers: ${since()} ms`);

  const status = await instanceStatus(late);
  expect(status.ready).toBe(true);
  expect(status.lagSeconds).toBeGreaterThanOrEqual(10);
  expect(status.reason).toMatch(/lag|behind/);
});

test('it comes back to all of them when it has caught up', async () => {
  await using _reader = keepDoing(readThroughPooler);
  await sql(late, 'select pg_wal_replay_resume()');
  const started = performance.now();
  const since = () => Math.round(performance.now() - started);

  await eventually(
    'it is routable',
    20_000,
    () => instanceStatus(late),
    ({ routable }) => routable,
  );
  await eventually(
    'it is in the endpoints document',
    5_000,
    readEndpoints,
    ({ replicas }) => replicas.find(({ name }) => name === late)?.routable === true,
    100,
  );
  await eventually(
    'it is in the read Service',
    5_000,
    () => servicePods('orders-replicas'),
    (pods) => pods.includes(`${late}-0`),
    100,
  );
  console.log(`replay resumed → routable again in status, document and Service: ${since()} ms`);
  await eventually(
    'the read-only poolers read from it',
    15_000,
    connectionsToLate,
    (count) => count > 0,
    200,
  );
  console.log(`replay resumed → back in the read-only pooler: ${since()} ms`);
});
