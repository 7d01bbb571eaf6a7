// What happens to a volume when work on it is interrupted, and which volumes are refused.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serverProcesses } from '../../src/agent/serverProcesses.ts';
import { AgentInstance, type AgentTopology, agentTopology, leasePath } from '../fixtures/agentTopology.ts';
import { becomePostgresUser } from '../fixtures/postgresUser.ts';
import { until } from '../fixtures/temporaryPostgres.ts';

const patient = { timeout: 90_000 };
let topology: AgentTopology;

beforeAll(async () => {
  await becomePostgresUser();
  topology = await agentTopology();
}, 300_000);
afterAll(() => topology[Symbol.asyncDispose](), 60_000);

test(
  'an initdb that is killed in the middle starts over, and no password file is left',
  patient,
  async () => {
    const first = topology.instance(1).start();
    await until('initdb is at work', () => existsSync(`${first.paths.unfinished}/base`), 30_000);
    killChildren(/initdb/);
    await first.runsAs('primary', 60_000);
    expect(first.log.filter(({ message }) => message === 'work on the volume has begun')).toHaveLength(2);
    expect(existsSync(first.paths.unfinished)).toBe(false);
    expect(readdirSync(first.settings.places.tmpDir)).toEqual([]);
    expect(await first.query('show ssl')).toEqual([{ ssl: 'on' }]);
    expect(first.status.pendingRestart).toEqual([]);
  },
);

test('a clone that is interrupted leaves nothing in use, and the next one starts over', patient, async () => {
  const second = topology.instance(2).start();
  await until('the clone is at work', () => existsSync(second.paths.unfinished), 30_000);
  await second.stop();
  expect(existsSync(second.paths.pgdata)).toBe(false);
  await mkdir(second.paths.unfinished, { recursive: true });
  await writeFile(`${second.paths.unfinished}/half`, 'a copy');
  second.start();
  await second.runsAs('replica', 60_000);
  expect(existsSync(`${second.paths.pgdata}/half`)).toBe(false);
  expect(existsSync(second.paths.unfinished)).toBe(false);
});

test(
  'a replica whose WAL is gone from the primary is cloned again, and keeps its copy until the new one is whole',
  patient,
  async () => {
    const [first, second] = [topology.instance(1), topology.instance(2)];
    await second.stop();
    topology.configure((config) => ({
      ...config,
      replication: { ...config.replication, maxSlotWalKeepSizeBytes: 2 ** 20 },
    }));
    await expect
      .poll(() => first.query('show max_slot_wal_keep_size'), { timeout: 20_000 })
      .toEqual([{ max_slot_wal_keep_size: '1MB' }]);
    await first.query('set max_parallel_workers = 0; create table bulk (t text)', 'app');
    for (let turn = 0; turn < 4; turn += 1) {
      await first.query("insert into bulk select repeat('x', 100) from generate_series(1, 20000)", 'app');
      await first.query('select pg_switch_wal()');
    }
    await first.query('checkpoint');
    second.start();
    await until('it is cloned again', () => second.said(/the WAL it needs is gone/), 60_000);
    await until('the new copy is begun', () => existsSync(second.paths.unfinished), 30_000);
    killChildren(/pg_basebackup/);
    await until('the clone has failed', () => second.said(/work on the volume failed/), 30_000);
    expect(existsSync(`${second.paths.old}/global/pg_control`)).toBe(true);
    await second.reaches('streams again', (it) => it.phase === 'running' && it.lastError === null, 60_000);
    expect(await second.query('select count(*)::int as n from bulk', 'app')).toEqual([{ n: 80_000 }]);
    expect(readdirSync(second.settings.places.volumeDir).filter((it) => it.startsWith('pgdata'))).toEqual([
      'pgdata',
    ]);
  },
);

test(
  'when the agent itself is killed, the next one ends what is left of the server and starts it anew',
  patient,
  async () => {
    const first = topology.instance(1);
    const before = await first.postmaster();
    await first.crash();
    expect(await serverProcesses(first.paths.pgdata)).toContain(before);
    first.start();
    await first.runsAs('primary', 60_000);
    expect(await first.postmaster()).not.toBe(before);
  },
);

test(
  'a second agent on the volume of one that still runs waits for its end, then takes over',
  patient,
  async () => {
    const first = topology.instance(1);
    const before = await first.postmaster();
    const second = new AgentInstance(first.settings, topology.kube).start();
    await second.reaches('waits', (it) => /another agent works on this volume/.test(it.reason ?? ''));
    expect([await first.postmaster(), first.status.role]).toEqual([before, 'primary']);
    await first.stop();
    await second.runsAs('primary');
    await second.stop();
    await first.start().runsAs('primary');
  },
);

test(
  'a volume of another major, of another topology or of nobody is refused and left as it is',
  patient,
  async () => {
    const second = topology.instance(2);
    await second.stop();
    const version = `${second.paths.pgdata}/PG_VERSION`;
    const record = JSON.parse(await readFile(second.paths.record, 'utf8'));
    const foreign: readonly [RegExp, () => Promise<void>, () => Promise<void>][] = [
      [
        /PostgreSQL 14, but version/,
        () => writeFile(version, '14\n'),
        () => writeFile(version, `${record.majorVersion}\n`),
      ],
      [
        /another topology/,
        () => writeFile(second.paths.record, JSON.stringify({ ...record, topologyUid: 'uid-of-others' })),
        () => writeFile(second.paths.record, JSON.stringify(record)),
      ],
      [
        /no topology has put there/,
        () => rename(second.paths.record, `${second.paths.record}.away`),
        () => rename(`${second.paths.record}.away`, second.paths.record),
      ],
    ];
    for (const [reason, spoil, mend] of foreign) {
      await spoil();
      const before = snapshot(second.settings.places.volumeDir);
      second.start();
      await second.reaches('refuses', (it) => it.phase === 'refused' && reason.test(it.reason ?? ''));
      expect(second.loop.isLive()).toBe(true);
      expect(second.loop.isReady()).toBe(false);
      await second.stop();
      expect(snapshot(second.settings.places.volumeDir)).toEqual(before);
      await mend();
    }
  },
);

test('a holder whose volume was lost waits instead of initialising a second database', patient, async () => {
  const first = topology.instance(1);
  await first.stop();
  const { systemIdentifier } = first.status;
  await cp(first.paths.pgdata, `${topology.folder}/kept`, { recursive: true });
  await rm(first.paths.pgdata, { recursive: true });
  first.start();
  await first.reaches('waits', (it) => /holds the Lease, but its volume is empty/.test(it.reason ?? ''));
  expect(topology.kube.get(leasePath)).toMatchObject({
    metadata: { annotations: { 'replica-manager.io/system-identifier': systemIdentifier } },
  });
  expect(existsSync(first.paths.unfinished)).toBe(false);
});

/** Names, sizes and times of everything in a folder. */
function snapshot(dir: string): string[] {
  return readdirSync(dir, { recursive: true })
    .map((name) => `${dir}/${String(name)}`)
    .map((path) => {
      const { size, mtimeMs } = statSync(path);
      return `${path} ${size} ${mtimeMs}`;
    })
    .sort();
}

/** Kills our own direct children by what they run. */
function killChildren(pattern: RegExp): void {
  const pids = execFileSync('ps', ['-o', 'pid=', '--ppid', String(process.pid)], { encoding: 'utf8' }).split(
    '\n',
  );
  for (const pid of pids.map((it) => it.trim()).filter((it) => it !== '')) {
    // `ps` itself was one of them.
    const path = `/proc/${pid}/cmdline`;
    if (existsSync(path) && pattern.test(readFileSync(path, 'utf8'))) process.kill(Number(pid), 'SIGKILL');
  }
}
