import { expect, test } from 'vitest';
import { countedClient, Metrics } from '../../src/operator/metrics.ts';
import { initialReadsVerdict } from '../../src/plan/reads.ts';
import { primary, probe, replica } from '../fixtures/observed.ts';
import { endedWatch, failure, json, reset, ScriptedApiServer } from '../fixtures/scriptedApiServer.ts';
import { clientOf, forever } from '../kube/kubeFixtures.ts';

const answer = { kind: 'measured', probe: probe() } as const;
/** The lines of the registry that speak of an instance. */
const series = async (metrics: Metrics) =>
  (await metrics.registry.metrics())
    .split('\n')
    .filter((it) => it.includes('instance="'))
    .sort();
const of = (instance: string) => `{namespace="shop",topology="orders",instance="${instance}"}`;

test('lag, readiness and routability are shown for each instance', async () => {
  const metrics = new Metrics();
  metrics.showProbe(
    'shop/orders',
    'orders-2',
    replica('orders-2', { lag: { seconds: 1.5, bytes: 42 } }),
    answer,
  );

  expect(await series(metrics)).toEqual([
    `replica_manager_instance_lag_bytes${of('orders-2')} 42`,
    `replica_manager_instance_lag_seconds${of('orders-2')} 1.5`,
    `replica_manager_instance_ready${of('orders-2')} 1`,
    `replica_manager_instance_routable${of('orders-2')} 1`,
  ]);
});

test('a lag that has become unknown is no number any more', async () => {
  const metrics = new Metrics();
  const unknown = { seconds: undefined, bytes: undefined };
  metrics.showProbe('shop/orders', 'orders-2', replica('orders-2'), answer);
  metrics.showProbe('shop/orders', 'orders-2', replica('orders-2', { lag: unknown }), answer);

  expect((await series(metrics)).filter((it) => it.includes('lag'))).toEqual([]);
});

test('probes without an answer are counted', async () => {
  const metrics = new Metrics();
  const silence = { kind: 'unreachable', reason: 'timeout', isCertain: false } as const;
  const facts = primary('orders-1', {
    probe: { kind: 'unreachable', reason: 'timeout', sinceMs: 0 },
    reads: initialReadsVerdict(0, false),
  });
  metrics.showProbe('shop/orders', 'orders-1', facts, silence);
  metrics.showProbe('shop/orders', 'orders-1', facts, silence);

  expect(await series(metrics)).toEqual([
    `replica_manager_instance_ready${of('orders-1')} 0`,
    `replica_manager_instance_routable${of('orders-1')} 0`,
    `replica_manager_probe_failures_total${of('orders-1')} 2`,
  ]);
});

test('an instance that is gone leaves no series behind', async () => {
  const metrics = new Metrics();
  metrics.showProbe('shop/orders', 'orders-2', replica('orders-2'), answer);
  metrics.forgetInstance('shop/orders', 'orders-2');

  expect(await series(metrics)).toEqual([]);
});

test('requests and watches are counted by verb and the status of their answer, those without one as 0', async () => {
  const server = await ScriptedApiServer.start();
  const client = clientOf(server.url);
  const counted: string[] = [];
  const counting = countedClient(client, (verb, status) => counted.push(`${verb} ${status}`));
  const watch = async () => {
    for await (const _ of counting.stream({
      path: '/w',
      query: { watch: true },
      maxSilentMs: 5_000,
      signal: forever(),
    }));
  };
  server.answer('other', json({}, 201), failure(409, 'Conflict'), reset);
  // Twice, because a read that breaks in a used connection is sent again.
  server.answer('watch', endedWatch(), failure(410, 'Expired'), reset, reset);
  await counting.request({ method: 'POST', path: '/a' });
  await expect(counting.request({ method: 'PUT', path: '/a' })).rejects.toThrow();
  await expect(counting.request({ method: 'PATCH', path: '/a' })).rejects.toThrow();
  await watch();
  await expect(watch()).rejects.toThrow();
  await expect(watch()).rejects.toThrow();
  counting.close();
  await server.close();

  expect(counted).toEqual(['POST 201', 'PUT 409', 'PATCH 0', 'WATCH 200', 'WATCH 410', 'WATCH 0']);
});
