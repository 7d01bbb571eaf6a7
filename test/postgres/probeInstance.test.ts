import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseLsn } from '../../src/postgres/lsn.ts';
import { type InstanceProbe, probeInstance, readInstanceProbe } from '../../src/postgres/probeInstance.ts';
import { startTemporaryPostgres, type TemporaryPostgres } from '../fixtures/temporaryPostgres.ts';

let servers: TemporaryPostgres;
beforeAll(async () => {
  servers = await startTemporaryPostgres({ replicas: 1 });
  await servers.caughtUp();
}, 60_000);
afterAll(() => servers[Symbol.asyncDispose]());

const first = () => {
  const [replica] = servers.replicas;
  if (replica === undefined) throw new Error('there is a replica');
  return replica;
};
const ask = (server: TemporaryPostgres['primary']): Promise<InstanceProbe> =>
  probeInstance((sql) => server.query(sql));

test('a primary tells its position and timeline, and has no receiver', async () => {
  const probe = await ask(servers.primary);

  expect(probe).toEqual({
    role: 'primary',
    systemIdentifier: expect.stringMatching(/^\d{15,20}$/),
    timeline: 1,
    receivedLsn: expect.any(BigInt),
    replayedLsn: probe.receivedLsn,
    replayPaused: false,
    receiver: null,
    pendingRestart: [],
    serverVersion: expect.any(Number),
  });
});

test('a replica tells what it has received and replayed, and that it streams', async () => {
  const primary = await ask(servers.primary);
  const probe = await ask(first());

  expect(probe).toMatchObject({
    role: 'replica',
    systemIdentifier: primary.systemIdentifier,
    timeline: 1,
    replayPaused: false,
    receiver: { status: 'streaming', timeline: 1, silentMs: expect.any(Number) },
  });
  expect(probe.replayedLsn).toBeGreaterThan(0n);
});

test('a replica whose replay is paused says so', async () => {
  await first().query('select pg_wal_replay_pause()');
  const probe = await ask(first());
  await first().query('select pg_wal_replay_resume()');

  expect(probe.replayPaused).toBe(true);
});

test('a setting that waits for a restart is named', async () => {
  await servers.primary.query('alter system set max_connections = 123');
  await servers.primary.query('select pg_reload_conf()');
  await expect.poll(async () => (await ask(servers.primary)).pendingRestart).toEqual(['max_connections']);
  await servers.primary.query('alter system reset max_connections');
  await servers.primary.query('select pg_reload_conf()');
});

test('a replica without receiver keeps its replayed position', () => {
  const probe = readInstanceProbe({
    in_recovery: true,
    system_identifier: '7',
    timeline: 3,
    received_lsn: '0/30',
    replayed_lsn: '0/20',
    replay_paused: false,
    receiver_status: null,
    receiver_silent_ms: null,
    receiver_timeline: null,
    pending_restart: [],
    server_version: 170_004,
  });

  expect(probe).toEqual({
    role: 'replica',
    systemIdentifier: '7',
    timeline: 3,
    receivedLsn: parseLsn('0/30'),
    replayedLsn: parseLsn('0/20'),
    replayPaused: false,
    receiver: null,
    pendingRestart: [],
    serverVersion: 170_004,
  });
});

test('an answer without a row is an error', () => {
  expect(() => readInstanceProbe(undefined)).toThrow('the probe of an instance returned no row');
});
