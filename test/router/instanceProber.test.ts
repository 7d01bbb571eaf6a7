// The prober against real servers: as an ordinary role, through TLS and PgBouncer, with a network that falls silent.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { InstanceProber, type InstanceProberDeps } from '../../src/router/instanceProber.ts';
import type { AnsweredProbe, Observation } from '../../src/router/observation.ts';
import { probeConnections, probeLogin } from '../../src/router/probeConnection.ts';
import { readStaticTopology } from '../../src/router/sources/staticSource.ts';
import { FrozenProxy } from '../fixtures/frozenProxy.ts';
import { pgbouncerProgram } from '../fixtures/pgbouncerProgram.ts';
import { becomePostgresUser } from '../fixtures/postgresUser.ts';
import { makeCertificates, type TemporaryCertificates } from '../fixtures/temporaryCertificates.ts';
import { TemporaryPgbouncer } from '../fixtures/temporaryPgbouncer.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

let certificates: TemporaryCertificates;
let postgres: TemporaryPostgres;
const login = { username: 'app', password: 'app', database: 'postgres' };
const cleaning: (() => unknown)[] = [];

beforeAll(async () => {
  await pgbouncerProgram();
  await becomePostgresUser();
  certificates = await makeCertificates();
  postgres = await startTemporaryPostgres({ replicas: 1, certificates });
  await postgres.primary.query(`CREATE ROLE app LOGIN PASSWORD 'app'`);
  await postgres.primary.query(`CREATE ROLE watcher LOGIN PASSWORD 'app' IN ROLE pg_monitor`);
  await postgres.caughtUp();
}, 120_000);
afterEach(async () => {
  for (const clean of cleaning.splice(0).toReversed()) await clean();
});
afterAll(() => postgres[Symbol.asyncDispose]());

interface Place {
  readonly host: string;
  readonly port: number;
}

const replicaOf = () => {
  const [replica] = postgres.replicas;
  if (replica === undefined) throw new Error('a replica is needed');
  return replica;
};

/** A prober that asks as often as it may, of these places; the first is called `primary`. */
function probe(
  places: readonly Place[],
  options: { tls?: boolean; user?: string; ca?: string } & Partial<InstanceProberDeps> = {},
) {
  const { tls = true, user = 'app', ca = certificates.ca, ...deps } = options;
  const [first = postgres.primary, ...others] = places;
  const credentials = { ...login, username: user, ca };
  const primary = { host: first.host, port: first.port, credentials };
  const replicas = others.map(({ host, port }) => ({ host, port }));
  const connect = probeConnections(probeLogin({ tls: tls ? 'verify-full' : 'off', applicationName: 'test' }));
  const prober = new InstanceProber({
    clock: systemClock,
    random: () => 0,
    log: silentLog,
    connect,
    everyMs: 50,
    ...deps,
  });
  const seen: Observation[] = [];
  prober.onObservation((observation) => seen.push(observation));
  prober.follow(readStaticTopology({ primary, replicas }));
  cleaning.push(() => prober.end());
  return { prober, seen };
}

async function answerOf(prober: InstanceProber, name = 'primary'): Promise<AnsweredProbe> {
  const found = () => prober.observations.get(name)?.probe;
  await until(`${name} is asked`, () => found() !== undefined);
  const probe = found();
  if (probe?.kind !== 'answered') throw new Error(`${name}: ${probe?.reason}`);
  return probe;
}

test('an ordinary role learns role, timeline, system and position of a primary and of a replica, over TLS', async () => {
  const { prober } = probe([postgres.primary, replicaOf()]);
  const [primary, replica] = [await answerOf(prober), await answerOf(prober, 'read_replica')];
  const { rows } = await postgres.primary.query(
    `SELECT system_identifier::text AS system, current_setting('server_version_num')::int AS version FROM pg_control_system()`,
  );
  const both = {
    kind: 'answered',
    timeline: 1,
    systemIdentifier: rows[0].system,
    serverVersion: rows[0].version,
    switchover: null,
  };
  expect(primary).toEqual({
    ...both,
    role: 'primary',
    isStreaming: true,
    lsn: expect.any(BigInt),
    insertedLsn: expect.any(BigInt),
    server: expect.any(String),
  });
  expect(replica).toEqual({
    ...both,
    role: 'replica',
    isStreaming: true,
    lsn: expect.any(BigInt),
    insertedLsn: null,
    server: expect.any(String),
  });
  expect(primary.server).not.toBe(replica.server);
});

test('what a write has put into the log is covered by the inserted position, also where commits do not wait for the disk', async () => {
  const { prober, seen } = probe([postgres.primary]);
  await answerOf(prober);
  await postgres.primary.query(`SET synchronous_commit = off; CREATE TABLE IF NOT EXISTS not_waited_for ()`);
  const acknowledgedAtMs = systemClock.now();
  const { rows } = await postgres.primary.query('SELECT pg_current_wal_insert_lsn()::text AS lsn');
  const after = () => seen.find(({ startedAtMs }) => startedAtMs >= acknowledgedAtMs);
  await until('a probe began after the write', () => after() !== undefined);
  const [high = '0', low = '0'] = String(rows[0].lsn).split('/');
  const written = (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
  const found = after()?.probe;
  expect(found?.kind === 'answered' ? found.insertedLsn : 0n).toBeGreaterThanOrEqual(written);
});

test('on a primary that has closed a segment and is idle, a replica that has replayed all has replayed what was inserted', async () => {
  const { prober } = probe([postgres.primary, replicaOf()]);
  await answerOf(prober);
  // A record first, or there is nothing to close.
  await postgres.primary.query('CREATE TABLE IF NOT EXISTS something ()');
  await postgres.primary.query('SELECT pg_switch_wal()');
  const { rows } = await postgres.primary.query(
    'SELECT pg_current_wal_lsn() AS written, pg_current_wal_insert_lsn() AS inserted',
  );
  expect(rows[0].inserted).not.toBe(rows[0].written);
  await until('the replica has replayed what was inserted', () => {
    const [primary, replica] = ['primary', 'read_replica'].map(
      (name) => prober.observations.get(name)?.probe,
    );
    if (primary?.kind !== 'answered' || replica?.kind !== 'answered') return false;
    const isSwitched = (primary.insertedLsn ?? 1n) % (16n * 1024n * 1024n) === 0n;
    return isSwitched && (replica.lsn ?? 0n) >= (primary.insertedLsn ?? 1n);
  });
});

test('where the functions of the control file are forbidden, role, position and the timeline of the primary are still told', async () => {
  const forbid = ['pg_control_system()', 'pg_control_checkpoint()', 'pg_control_recovery()'];
  for (const it of forbid) await postgres.primary.query(`REVOKE EXECUTE ON FUNCTION ${it} FROM PUBLIC`);
  await postgres.caughtUp();
  try {
    const { prober } = probe([postgres.primary, replicaOf()]);
    const primary = await answerOf(prober);
    expect(primary).toMatchObject({ role: 'primary', timeline: 1, systemIdentifier: null });
    expect(primary.lsn).not.toBeNull();
    expect(await answerOf(prober, 'read_replica')).toMatchObject({
      role: 'replica',
      timeline: null,
      systemIdentifier: null,
    });
    const { prober: privileged } = probe([postgres.primary, replicaOf()], { user: 'watcher' });
    expect(await answerOf(privileged, 'read_replica')).toMatchObject({ role: 'replica', timeline: 1 });

    await postgres.primary.query('REVOKE EXECUTE ON FUNCTION pg_walfile_name(pg_lsn) FROM PUBLIC');
    const { prober: poorest } = probe([postgres.primary]);
    expect(await answerOf(poorest)).toMatchObject({
      role: 'primary',
      timeline: null,
      systemIdentifier: null,
    });
  } finally {
    for (const it of [...forbid, 'pg_walfile_name(pg_lsn)']) {
      await postgres.primary.query(`GRANT EXECUTE ON FUNCTION ${it} TO PUBLIC`);
    }
    await postgres.caughtUp();
  }
});

test('one connection for each instance is kept, and closed at the end', async () => {
  const { prober, seen } = probe([postgres.primary]);
  await until('it was asked often', () => seen.length > 5);
  const count = async () => {
    const sql = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'test probe'`;
    return (await postgres.primary.query(sql)).rows[0].count;
  };
  expect(await count()).toBe(1);
  await prober.end();
  await until('it is closed', async () => (await count()) === 0);
});

test('a network that falls silent is a failure after the deadline, the socket is destroyed, and the instance is found again', async () => {
  const proxy = await FrozenProxy.start(postgres.primary.port);
  cleaning.push(() => proxy[Symbol.asyncDispose]());
  const { prober, seen } = probe([{ host: '127.0.0.1', port: proxy.port }], { everyMs: 100 });
  await answerOf(prober);
  proxy.freeze();
  await until('it is a failure', () => prober.observations.get('primary')?.probe.kind === 'failed');
  const failure = seen.at(-1);
  expect(failure?.probe).toEqual({ kind: 'failed', reason: 'no answer within 1000 ms', isSilent: true });
  await until('a new connection is not answered either', () => {
    const probe = prober.observations.get('primary')?.probe;
    return probe?.kind === 'failed' && probe.reason === 'no connection within 1000 ms';
  });
  proxy.thaw();
  await until('it answers again', () => prober.observations.get('primary')?.probe.kind === 'answered');
  expect(proxy.openCount).toBe(1);
});

test('a server that hangs up is asked again at once, not at the next health check', async () => {
  const { prober, seen } = probe([replicaOf()], { everyMs: 600_000 });
  await answerOf(prober);
  await replicaOf().query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test probe'`,
  );
  await until('it is asked again', () => seen.length > 1);
  expect(seen.at(-1)?.probe).toMatchObject({ kind: 'answered', role: 'replica' });
});

test('a quiet prober asks at the pace of the health check, and a brisk one four times a second', async () => {
  const { prober, seen } = probe([postgres.primary], { everyMs: 600_000 });
  await answerOf(prober);
  expect(seen).toHaveLength(1);
  prober.wake('a write was acknowledged');
  for (let count = 0; count < 1_000; count += 1) prober.wake('another one');
  await until('it is brisk', () => seen.length >= 5);
  const gaps = seen
    .slice(2)
    .map(({ startedAtMs }, index) => startedAtMs - (seen[index + 1]?.startedAtMs ?? 0));
  for (const gap of gaps) expect(gap).toBeGreaterThan(240);
});

test('a refused login and an untrusted certificate are failures with their reasons', async () => {
  const other = await makeCertificates();
  const { prober: refused } = probe([postgres.primary], { user: 'nobody' });
  const { prober: untrusting } = probe([postgres.primary], { ca: other.ca });
  const reasonOf = (it: InstanceProber) => {
    const found = it.observations.get('primary')?.probe;
    return found?.kind === 'failed' ? found.reason : undefined;
  };
  await until('both have failed', () => [refused, untrusting].every((it) => reasonOf(it) !== undefined));
  expect(reasonOf(refused)).toBe('password authentication failed for user "nobody"');
  expect(reasonOf(untrusting)).toMatch(/certificate/);
});

test('after this process stood still nothing that was observed before counts, and no instance is called dead for it', async () => {
  const proxy = await FrozenProxy.start(postgres.primary.port);
  cleaning.push(() => proxy[Symbol.asyncDispose]());
  let skippedMs = 0;
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + skippedMs };
  const { prober, seen } = probe([{ host: '127.0.0.1', port: proxy.port }], { clock, everyMs: 600_000 });
  await answerOf(prober);
  let standstills = 0;
  prober.onStandstill(() => {
    standstills += 1;
    expect(prober.observations.size).toBe(0);
  });
  // The question is out, its deadline passes far too late, and the pulse comes far too late as well.
  proxy.freeze();
  prober.wake('it is to be asked now');
  await new Promise((resolve) => setTimeout(resolve, 400));
  skippedMs = 60_000;
  proxy.thaw();
  await until('the pause is noticed', () => standstills > 0);
  await until('it answers again', () => prober.observations.get('primary')?.probe.kind === 'answered');
  expect(seen.filter(({ probe }) => probe.kind === 'failed')).toEqual([]);
});

test('through PgBouncer with transaction pooling all is told, also after a promotion of which the pooler has not heard', async () => {
  const plain = await startTemporaryPostgres({ replicas: 1, name: 'pooled' });
  cleaning.push(() => plain[Symbol.asyncDispose]());
  await plain.primary.query(`CREATE ROLE app LOGIN PASSWORD 'app'`);
  await plain.caughtUp();
  const place = async ({ port }: TemporaryPostgres['primary']) => {
    const bouncer = await TemporaryPgbouncer.start({ port, user: login.username, password: login.password });
    cleaning.push(() => bouncer[Symbol.asyncDispose]());
    return bouncer;
  };
  const [replica] = plain.replicas;
  if (replica === undefined) throw new Error('a replica is needed');
  const { prober } = probe([await place(plain.primary), await place(replica)], { tls: false });
  const now = (name: string) => prober.observations.get(name)?.probe;
  await until(
    'both answer',
    () => now('primary')?.kind === 'answered' && now('read_replica')?.kind === 'answered',
  );
  expect([now('primary'), now('read_replica')]).toMatchObject([
    { role: 'primary', timeline: 1 },
    { role: 'replica', timeline: 1, isStreaming: true },
  ]);
  await replica.promote();
  await until('the promotion is seen', () => {
    const probe = now('read_replica');
    return probe?.kind === 'answered' && probe.role === 'primary' && probe.timeline === 2;
  });
}, 60_000);
