import { expect, test } from 'vitest';
import { ApiError } from '../../src/kube/apiError.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { countedClient, Metrics } from '../../src/operator/metrics.ts';
import { initialReadsVerdict } from '../../src/plan/reads.ts';
import { primary, probe, replica } from '../fixtures/observed.ts';

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

test('requests are counted by verb and status, those without an answer as 0', async () => {
  const counted: string[] = [];
  const failure = new ApiError({ status: 0, reason: 'Unreachable', message: 'no connection' });
  const answers = [Promise.resolve({}), Promise.reject(failure)];
  const client = { request: () => answers.shift() } as unknown as KubeClient;
  const counting = countedClient(client, (verb, status) => counted.push(`${verb} ${status}`));
  await counting.request({ method: 'GET', path: '/' });
  await expect(counting.request({ method: 'PATCH', path: '/' })).rejects.toBe(failure);

  expect(counted).toEqual(['GET 200', 'PATCH 0']);
});
