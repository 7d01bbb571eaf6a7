// An idle connection that the server closes is the first sign of a restart, after which a standby begins below what it had shown.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { backgroundClock, systemClock } from '../../src/lib/clock.ts';
import { FixedTopology } from '../../src/router/fixedTopology.ts';
import { Router } from '../../src/router/router.ts';
import { readRouterOptions } from '../../src/router/routerOptions.ts';
import { statementOf } from '../../src/router/statement.ts';
import { loginTo } from '../fixtures/poolKinds.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
const routers: Router[] = [];

beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 1 });
}, 60_000);
afterEach(async () => {
  for (const router of routers.splice(0)) await router.end();
});
afterAll(() => postgres[Symbol.asyncDispose]());

/** Has read from the replica once, and has one idle connection there. */
async function openRouter(options = ''): Promise<Router> {
  const driver = { ...loginTo(postgres), application_name: 'idle', options };
  const sources = [
    new FixedTopology(
      postgres.primary,
      postgres.replicas.map(({ host, port }) => ({ host, port })),
    ),
  ];
  const deps = { clock: systemClock, backgroundClock, random: () => 0 };
  const router = new Router(readRouterOptions({ tls: 'off', sources }, driver), deps);
  routers.push(router);
  await router.run(router.begin(statementOf('SELECT 1', [], { consistency: 'eventual' })));
  await until('the replica has been observed', () => isKnown(router));
  return router;
}

const viewOf = (router: Router) => {
  const [view] = router.planner.book.view.replicas.values();
  return view;
};

const isKnown = (router: Router) => typeof viewOf(router)?.replayed === 'bigint';

test('the position of a replica is forgotten when it closes an idle connection', async () => {
  const router = await openRouter();
  const [replica] = postgres.replicas;
  expect(viewOf(router)?.lostAtMs).toBe(Number.NEGATIVE_INFINITY);
  await replica?.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'idle'`,
  );
  await until('it is forgotten', () => (viewOf(router)?.lostAtMs ?? 0) > 0);
  await until('it is asked again', () => isKnown(router));
});

test('a connection that was idle for too long says nothing of a restart', async () => {
  const router = await openRouter('-c idle_session_timeout=50');
  await until('it is closed', () => router.pools.counts.total === 0);
  expect(viewOf(router)?.lostAtMs).toBe(Number.NEGATIVE_INFINITY);
});
