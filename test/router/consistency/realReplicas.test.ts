// Lag and consistency on real servers: idle primaries, paused replay, dead receivers, commits that do not wait for their flush.
//
// The clock of a server is asked nowhere (neither the probe nor the lag has a time of a server in it), so clocks that differ make no
// difference; there is nothing to run for that.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { runInScope } from '../../../src/router/consistency/readScope.ts';
import { type NewerMajor, testedServers } from '../../fixtures/newerPostgres.ts';
import { ProbedTopology } from '../../fixtures/probedTopology.ts';
import { until } from '../../fixtures/temporaryPostgres.ts';

// Servers that share the machine with other tests take their time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

let topology: ProbedTopology;
let lastId = 0;

function begin(version?: NewerMajor): void {
  beforeAll(async () => {
    topology = await ProbedTopology.start(version);
  }, 60_000);
  afterEach(async () => {
    for (const replica of topology.replicas) {
      await replica.query('SELECT pg_wal_replay_resume()');
    }
    await topology.postgres.caughtUp();
  });
  afterAll(() => topology[Symbol.asyncDispose]());
}

const names = () => topology.replicas.map(({ name }) => name);
const lateReason = (name: string) => topology.planner.book.view.replicas.get(name)?.lateReason;
const writeSomething = () =>
  topology.postgres.primary.query('SELECT pg_logical_emit_message(false, $1, $2)', ['x', 'y']);

/** What happens to the replica's verdict while something else goes on. */
async function verdictsWhile(
  name: string,
  work: () => Promise<unknown>,
): Promise<Set<string | null | undefined>> {
  const seen = new Set<string | null | undefined>();
  const stop = topology.planner.book.onChange(() => {
    seen.add(lateReason(name));
  });
  await work();
  stop?.();
  return seen;
}

/** How many of the reads that come one after the other in the second after a write are on the primary in its last third. */
async function readsThatStayOnPrimary(waitBudgetMs: number): Promise<number> {
  topology.begin(250, { waitBudgetMs });
  await topology.probe();
  return runInScope({}, async () => {
    const request = topology.planner.request();
    lastId += 1;
    await topology.write(request, lastId);
    let stayed = 0;
    for (const began = performance.now(); performance.now() < began + 1_200; ) {
      const { server, id } = await topology.read(request);
      expect(id).toBe(lastId);
      if (performance.now() > began + 800 && server === topology.postgres.primary.name) stayed += 1;
    }
    return stayed;
  });
}

describe.each(testedServers.slice(0, 2))('$label', ({ version }) => {
  begin(version);
  const turns = version === undefined ? 30 : 10;

  test('on an idle primary nobody lags, and nobody leaves', async () => {
    topology.begin(50);
    await topology.probe();
    const verdicts = await verdictsWhile(names()[0] ?? '', () => sleep(2_500));

    expect(verdicts).toEqual(new Set([null]));
    expect(names().map((name) => topology.planner.book.lagOf(name))).toEqual([
      { kind: 'known', ms: 0, bytes: 0 },
      { kind: 'known', ms: 0, bytes: 0 },
    ]);
  });

  test('a replica without a receiver has an unknown lag although it has replayed all it received, and leaves', async () => {
    const [cut] = topology.replicas;
    topology.begin(50);
    const { rows } = await cut.query('SHOW primary_conninfo');
    const connectTo = async (conninfo: string) => {
      await cut.query(`ALTER SYSTEM SET primary_conninfo = '${conninfo.replaceAll("'", "''")}'`);
      await cut.query('SELECT pg_reload_conf()');
    };
    await topology.probe();
    await connectTo('host=127.0.0.1 port=1');
    const isStreaming = async () => (await cut.query('SELECT 1 FROM pg_stat_wal_receiver')).rows.length > 0;
    await until('the receiver is gone', async () => !(await isStreaming()));
    await topology.probe();
    expect(topology.planner.book.lagOf(cut.name)).toMatchObject({
      kind: 'unknown',
      reason: 'has no WAL receiver that streams',
    });
    await until('it has left', () => lateReason(cut.name) !== null);
    expect(lateReason(cut.name)).toBe('has no WAL receiver that streams');
    await connectTo(rows[0].primary_conninfo);
    await until('it is back', () => lateReason(cut.name) === null);
  });

  test.each(['on', 'off'] as const)(
    'with synchronous_commit = %s nobody misses what it has written, however late its replicas are',
    async (synchronousCommit) => {
      topology.begin(20);
      const [first] = topology.replicas;
      const readers = new Map<string, number>();
      for (let turn = 0; turn < turns; turn += 1) {
        // One of them stands still now and then.
        if (turn % 10 === 2) await first.query('SELECT pg_wal_replay_pause()');
        if (turn % 10 === 7) await first.query('SELECT pg_wal_replay_resume()');
        await runInScope({}, async () => {
          const request = topology.planner.request();
          lastId += 1;
          await topology.write(request, lastId, synchronousCommit);
          let before = lastId;
          for (let read = 0; read < 8; read += 1) {
            const { server, id } = await topology.read(request);
            expect(id, `${server} at turn ${turn}`).toBeGreaterThanOrEqual(before);
            before = id;
            readers.set(server, (readers.get(server) ?? 0) + 1);
            await sleep(read * 4);
          }
        });
      }
      const onReplicas = names().reduce((sum, name) => sum + (readers.get(name) ?? 0), 0);
      expect(onReplicas).toBeGreaterThan(turns / 2);
    },
  );
});

describe('how reads come and go', () => {
  begin();

  test('a replica whose replay is paused leaves by its lag, and comes back once when it goes on', async () => {
    const [paused, other] = topology.replicas;
    topology.begin(50);
    await topology.probe();
    await paused.query('SELECT pg_wal_replay_pause()');
    await until('it is late', async () => {
      await writeSomething();
      return lateReason(paused.name) !== null;
    });
    expect(lateReason(paused.name)).toBe('lags behind by 1 s or more');
    const request = topology.planner.request('eventual');
    const readers = await Promise.all([topology.read(request), topology.read(request)]);
    expect(readers.map(({ server }) => server)).toEqual([other.name, other.name]);

    const verdicts = await verdictsWhile(paused.name, async () => {
      await paused.query('SELECT pg_wal_replay_resume()');
      await until('it is back', () => lateReason(paused.name) === null);
      await sleep(300);
    });
    expect([...verdicts]).toEqual(['lags behind by 1 s or more', null]);
  });

  test('when all replicas lag the primary answers, and reads do not come and go', async () => {
    topology.begin(50);
    await topology.probe();
    for (const replica of topology.replicas) await replica.query('SELECT pg_wal_replay_pause()');
    await until('both are late', async () => {
      await writeSomething();
      return names().every((name) => lateReason(name) !== null);
    });
    const servers = new Set<string>();
    for (let read = 0; read < 50; read += 1) {
      servers.add((await topology.read(topology.planner.request('eventual'))).server);
      await writeSomething();
    }
    expect([...servers]).toEqual([topology.postgres.primary.name]);
  });

  test('a scope that reads all the time leaves the primary after a write, because it waits for a probe that is due', async () => {
    expect(await readsThatStayOnPrimary(0)).toBeGreaterThan(20);
    // More than the default, so that a machine that is busy with other tests is in time as well.
    expect(await readsThatStayOnPrimary(100)).toBe(0);
  });

  test('an asynchronous commit is ahead of what is written, so the sample has to be of what was put into the log', async () => {
    topology.begin(0);
    const { primary } = topology.postgres;
    await primary.query('ALTER SYSTEM SET wal_writer_delay = 10000');
    await primary.query('SELECT pg_reload_conf()');
    // Whoever else commits in between has the log written, so that one look may come too late.
    await until('a commit is seen ahead of what is written', async () => {
      lastId += 1;
      await topology.write(topology.planner.request(), lastId, 'off');
      const sql = 'SELECT pg_current_wal_insert_lsn() > pg_current_wal_lsn() AS is_ahead';
      return (await primary.query(sql)).rows[0].is_ahead;
    });
    await primary.query('ALTER SYSTEM RESET wal_writer_delay');
    await primary.query('SELECT pg_reload_conf()');
  });
});
