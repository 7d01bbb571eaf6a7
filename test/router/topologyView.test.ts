// Real servers: what a view says while a primary dies and a replica is promoted, with addresses that never change.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { InstanceProber } from '../../src/router/instanceProber.ts';
import { probeConnections, probeLogin } from '../../src/router/probeConnection.ts';
import { staticSource } from '../../src/router/sources/staticSource.ts';
import type { Topology } from '../../src/router/sources/topologySource.ts';
import { TopologyView } from '../../src/router/topologyView.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
const ending: (() => Promise<void>)[] = [];

beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 2 });
  await postgres.primary.query(`CREATE ROLE app LOGIN PASSWORD 'app'`);
  await postgres.caughtUp();
}, 60_000);
afterEach(async () => {
  for (const end of ending.splice(0)) await end();
});
afterAll(() => postgres[Symbol.asyncDispose]());

/** An ordinary role, fixed addresses, and a health check that comes too late to be what finds anything. */
function view(onChange: (topology: Topology) => void = () => {}) {
  const credentials = { username: 'app', password: 'app', database: 'postgres' };
  const source = staticSource({
    primary: { ...address(postgres.primary), credentials },
    replicas: postgres.replicas.map(address),
  });
  const connect = probeConnections(probeLogin({ tls: 'off', applicationName: 'view' }));
  const prober = new InstanceProber({
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    connect,
    everyMs: 600_000,
  });
  const made = new TopologyView(
    { sources: [source], prober, log: silentLog, firstDocumentTimeoutMs: 100 },
    onChange,
  );
  const stop = new AbortController();
  const followed = made.follow(systemClock, stop.signal);
  ending.push(async () => {
    stop.abort();
    await followed;
  });
  return { view: made, prober };
}

const address = ({ name, host, port }: TemporaryPostgres['primary']) => ({ name, host, port });
const primaryOf = (it: TopologyView) => it.topology?.document.primary?.name ?? null;

test('a promoted replica is found soon after it accepts writes, and the former primary is not written to again', async () => {
  const seen: (string | null)[] = [];
  const { view: followed, prober } = view(({ document }) => seen.push(document.primary?.name ?? null));
  const [second, third] = postgres.replicas;
  if (second === undefined || third === undefined) throw new Error('two replicas are needed');
  expect(primaryOf(followed)).toBe('orders-1');
  await until('all are asked', () => prober.observations.size === 3);
  const probes = ['orders-1', 'orders-2', 'orders-3'].map((name) => prober.observations.get(name)?.probe);
  expect(probes).toMatchObject([
    { kind: 'answered', role: 'primary', timeline: 1 },
    { kind: 'answered', role: 'replica', timeline: 1, isStreaming: true },
    { kind: 'answered', role: 'replica', timeline: 1, isStreaming: true },
  ]);

  await postgres.primary.stop('immediate');
  await until('the loss is noticed', () => prober.observations.get('orders-1')?.probe.kind === 'failed');
  await second.promote();
  await second.query('CREATE TABLE written_after_promotion ()');
  const acceptedAtMs = performance.now();
  await until('the promoted one is the primary', () => primaryOf(followed) === 'orders-2', 10_000);
  const foundAfterMs = performance.now() - acceptedAtMs;
  console.info(`found ${Math.round(foundAfterMs)} ms after the first write was accepted`);
  expect(followed.found).toMatchObject({ timeline: 2, reason: 'orders-2 has been promoted to timeline 2' });

  // It comes back as it was: a primary of timeline 1.
  await postgres.primary.start();
  await until(
    'the former primary answers',
    () => prober.observations.get('orders-1')?.probe.kind === 'answered',
  );
  expect(followed.topology?.document).toMatchObject({
    primary: { name: 'orders-2' },
    timeline: 2,
    replicas: [
      { name: 'orders-3', routable: true },
      { name: 'orders-1', routable: false, reason: 'says that it is primary of timeline 1' },
    ],
  });
  expect(followed.published).toMatchObject({ primary: { name: 'orders-1' } });
  expect(seen.slice(seen.indexOf('orders-2')).filter((it) => it !== 'orders-2')).toEqual([]);
  expect(foundAfterMs).toBeLessThan(5_000);
}, 60_000);

test('a process that starts after the failover finds the promoted one, whatever its addresses say', async () => {
  const { view: followed } = view();
  await until('the promoted one is the primary', () => primaryOf(followed) === 'orders-2', 10_000);
});
