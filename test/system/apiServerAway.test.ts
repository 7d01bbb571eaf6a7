// A minute without the API server changes nothing for clients, and the operator is healthy afterwards.
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, getObject, kubectl, listObjects } from '../fixtures/kubectl.ts';
import { ordersAppSeconds, startOrdersApp, stopOrdersApp } from '../fixtures/ordersApp.ts';
import { namespace, operatorNamespace, readyTopology, sql } from '../fixtures/topology.ts';

const awayMs = 60_000;
const docker = (...args: readonly string[]) => execFileSync('docker', args, { timeout: 60_000 });
const controlPlane = 'replica-manager-control-plane';
const instances = 'replica-manager.io/topology=orders';
const operators = 'app.kubernetes.io/name=replica-manager';

interface Pod {
  readonly metadata: { readonly name: string };
  readonly status: { readonly containerStatuses?: readonly { readonly restartCount: number }[] };
}

/** Restarts of all containers, by pod. */
async function restartsOf(where: string, selector: string): Promise<ReadonlyMap<string, number>> {
  const pods = await listObjects<Pod>(where, 'pods', selector);
  return new Map(
    pods.map(({ metadata, status }) => [
      metadata.name,
      (status.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0),
    ]),
  );
}

/** When the operator that leads has renewed its Lease last. */
const renewTime = async () =>
  (await getObject<{ spec: { renewTime?: string } }>(operatorNamespace, 'lease', 'replica-manager-operator'))
    ?.spec.renewTime;

/** Without `kubectl`, which needs the API server. */
async function withoutApiServer(forMs: number): Promise<{ readonly from: Date; readonly to: Date }> {
  docker('pause', controlPlane);
  const from = new Date();
  try {
    await new Promise((resolve) => setTimeout(resolve, forMs));
    return { from, to: new Date() };
  } finally {
    docker('unpause', controlPlane);
  }
}

beforeAll(async () => {
  await readyTopology();
  await startOrdersApp();
  await eventually(
    'the application reads and writes',
    60_000,
    async () => (await ordersAppSeconds()).at(-1),
    (second) => second?.failed === 0 && second.readsFailed === 0,
  );
});
afterAll(stopOrdersApp);

test('during a minute without the API server no write and no read fails, and then the operator works', async () => {
  const before = {
    instances: await restartsOf(namespace, instances),
    operators: await restartsOf(operatorNamespace, operators),
    renewTime: await renewTime(),
  };

  const away = await withoutApiServer(awayMs);

  await eventually(
    'an operator leads again',
    60_000,
    renewTime,
    (time) => time !== undefined && time !== before.renewTime && new Date(time) > away.to,
  );
  const seen = (await ordersAppSeconds()).filter(
    ({ time }) => new Date(time) > away.from && new Date(time) < away.to,
  );
  const written = seen.reduce((sum, { writes }) => sum + writes, 0);
  expect(written).toBeGreaterThan((awayMs / 1000) * 5);
  expect(seen.filter(({ failed, readsFailed }) => failed + readsFailed > 0)).toEqual([]);

  await readyTopology();
  expect(await restartsOf(namespace, instances)).toEqual(before.instances);
  expect(await sql('orders-1', 'select pg_is_in_recovery()')).toBe('f');
  await kubectl(['-n', namespace, 'delete', 'service', 'orders-primary', '--wait=false']);
  await eventually(
    'the operator heals again',
    30_000,
    () => kubectl(['-n', namespace, 'get', 'service', 'orders-primary', '-o', 'name']),
    (it) => it.includes('orders-primary'),
  );

  const rollout = ['rollout', 'status', 'deployment/replica-manager', '--timeout=60s'];
  await kubectl(['-n', operatorNamespace, ...rollout], { timeoutMs: 70_000 });
  const restarts = await restartsOf(operatorNamespace, operators);
  expect([...restarts.keys()].toSorted()).toEqual([...before.operators.keys()].toSorted());
  // A leader that cannot renew its Lease ends on purpose, so that a new process starts from nothing.
  for (const [pod, count] of restarts)
    expect(count - (before.operators.get(pod) ?? 0)).toBeLessThanOrEqual(1);
});
