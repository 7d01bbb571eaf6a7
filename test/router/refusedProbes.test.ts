// Replicas that answer statements and refuse to be probed.

import { setImmediate as turnOfEvents } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { ReplicaManager } from '../../src/router/index.ts';
import type { Observation } from '../../src/router/observation.ts';
import { ProbedInstance } from '../../src/router/probedInstance.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import { asReplica, RoutedTopology, serverOf } from '../fixtures/routedTopology.ts';
import { until } from '../fixtures/temporaryPostgres.ts';

let topology: RoutedTopology;

beforeAll(async () => {
  topology = await RoutedTopology.start();
}, 60_000);
afterEach(() => topology.reset());
afterAll(() => topology[Symbol.asyncDispose]());

/** With the second instance as the only replica, and two connections to each. */
async function manage(): Promise<ReplicaManager> {
  const [second] = topology.replicas;
  const routing = { maxLagSeconds: 2, resumeLagSeconds: 1, fallbackToPrimary: true };
  topology.publish({ replicas: [asReplica(second)], routing });
  const manager = topology.manage({ poolSize: 2, consistency: 'eventual' });
  expect(await Promise.all([serverOf(manager), serverOf(manager)])).toEqual(['orders-2', 'orders-2']);
  const isMeasured = () => manager.status().replicas[0]?.lag.reason === null;
  await until('its lag is known', isMeasured);
  return manager;
}

const verdictOf = (manager: ReplicaManager) => manager.status().replicas[0]?.verdict;

async function readsUntil(manager: ReplicaManager, server: string): Promise<void> {
  await until(`${server} answers`, async () => (await serverOf(manager)) === server);
}

test('a replica with no connection left for its probe keeps its reads for a while, then gives them to the primary, and has them back with the first probes', async () => {
  const { postgres } = topology;
  const [second] = topology.replicas;
  const manager = await manage();
  await postgres.primary.query('ALTER ROLE app CONNECTION LIMIT 2');
  await postgres.caughtUp();
  await second.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'replica-manager probe'`,
  );
  await until('the probe is refused', () => manager.status().problems.length > 0);
  const why =
    'refuses to be probed, so that its lag is unknown (53300: too many connections for role "app"); ' +
    'leave a connection for its probe: raise max_connections or the limit of the role, or lower poolSize';
  expect(manager.status().problems).toEqual([`orders-2 ${why}`]);
  expect([verdictOf(manager), await serverOf(manager)]).toEqual([{ kind: 'serving' }, 'orders-2']);

  await readsUntil(manager, 'orders-1');
  expect(verdictOf(manager)).toEqual({ kind: 'late', reason: why });
  expect(manager.status().counters.fallbacks).toBeGreaterThan(0);

  await postgres.primary.query('ALTER ROLE app CONNECTION LIMIT -1');
  await readsUntil(manager, 'orders-2');
  expect(manager.status().problems).toEqual([]);
});

test('a role that may not run the probe is told what it needs', async () => {
  const { postgres } = topology;
  const [second] = topology.replicas;
  const manager = await manage();
  const name = 'FUNCTION pg_last_wal_replay_lsn()';
  await postgres.primary.query(`REVOKE EXECUTE ON ${name} FROM PUBLIC`);
  await postgres.caughtUp();
  const reconnect = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'replica-manager probe'`;
  for (const server of [postgres.primary, second]) await server.query(reconnect);
  const why =
    'refuses to be probed, so that its lag is unknown (42501: permission denied for function pg_last_wal_replay_lsn); ' +
    'grant the role what the probe reads: EXECUTE on pg_is_in_recovery and the functions of WAL positions';
  await until('both refuse', () => manager.status().problems.length === 2);
  expect(manager.status().problems.toSorted()).toEqual([`orders-1 ${why}`, `orders-2 ${why}`]);
  await readsUntil(manager, 'orders-1');
  await postgres.primary.query(`GRANT EXECUTE ON ${name} TO PUBLIC`);
  await readsUntil(manager, 'orders-2');
});

/** What a prober with a health check every half minute does while the server refuses it. */
class Refused implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly seen: Observation[] = [];
  isRefusing = true;
  readonly #instance: ProbedInstance;

  constructor(random: number) {
    const row = { in_recovery: true, is_streaming: true, server_version: 150_000 };
    this.#instance = new ProbedInstance(
      {
        name: 'orders-2',
        host: 'db-2',
        port: 5432,
        credentials: { username: '', password: '', database: '', ca: '' },
      },
      {
        clock: this.clock,
        random: () => random,
        everyMs: () => 30_000,
        isBrisk: () => false,
        onObservation: (observation) => this.seen.push(observation),
        onConnectionLost: () => {},
        connect: async () => {
          if (this.isRefusing) throw Object.assign(new Error('sorry'), { code: '53300' });
          return { query: async () => ({ rows: [row] }), onClose: () => {}, close: () => {} };
        },
      },
    );
  }

  /** Lets the prober rest once, and tells for how long it did. */
  async rest(): Promise<number> {
    while (this.seen.length === 0) await turnOfEvents();
    const before = this.seen.length;
    while (this.clock.sleeps.length !== 1) await turnOfEvents();
    const [restMs = 0] = this.clock.sleeps;
    this.clock.advance(restMs);
    while (this.seen.length === before) await turnOfEvents();
    return restMs;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#instance.end();
  }
}

async function rests(refused: Refused, count: number): Promise<number[]> {
  const all: number[] = [];
  for (let index = 0; index < count; index += 1) all.push(await refused.rest());
  return all;
}

test('a server that refuses is asked again after longer and longer rests, and twice at once when it is back', async () => {
  await using refused = new Refused(0);
  expect(await rests(refused, 7)).toEqual([500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
  refused.isRefusing = false;
  expect(await rests(refused, 3)).toEqual([5_000, 250, 30_000]);
  expect(refused.seen.map(({ probe }) => probe.kind)).toEqual([
    ...Array.from({ length: 8 }, () => 'failed'),
    ...Array.from({ length: 3 }, () => 'answered'),
  ]);
});

test('the rests are shortened by chance, so that many processes do not come back at once', async () => {
  await using refused = new Refused(1);
  expect(await rests(refused, 3)).toEqual([350, 700, 1_400]);
});
