// A minute without the API server changes nothing for clients, and the operator is healthy afterwards.
import { execFileSync } from 'node:child_process';
import { beforeAll, expect, test } from 'vitest';
import { eventually, kubectl, listObjects } from '../fixtures/kubectl.ts';
import { namespace, operatorNamespace, readyTopology, sql } from '../fixtures/topology.ts';

const awayMs = 60_000;
const docker = (...args: readonly string[]) => execFileSync('docker', args, { timeout: 60_000 });
const controlPlane = 'replica-manager-control-plane';

const containerRestarts = async (where: string, selector: string) =>
  (await listObjects<{ status: { containerStatuses?: { restartCount: number }[] } }>(where, 'pods', selector))
    .flatMap(({ status }) => status.containerStatuses ?? [])
    .reduce((sum, { restartCount }) => sum + restartCount, 0);

beforeAll(async () => {
  await readyTopology();
});

test('after a minute without the API server the topology is as before and the operator works', async () => {
  const instancesBefore = await containerRestarts(namespace, 'replica-manager.io/topology=orders');
  docker('pause', controlPlane);
  try {
    await new Promise((resolve) => setTimeout(resolve, awayMs));
  } finally {
    docker('unpause', controlPlane);
  }

  await readyTopology();
  expect(await containerRestarts(namespace, 'replica-manager.io/topology=orders')).toBe(instancesBefore);
  expect(await sql('orders-1', 'select pg_is_in_recovery()')).toBe('f');
  await kubectl(['-n', namespace, 'delete', 'service', 'orders-primary', '--wait=false']);
  await eventually(
    'the operator heals again',
    30_000,
    () => kubectl(['-n', namespace, 'get', 'service', 'orders-primary', '-o', 'name']),
    (it) => it.includes('orders-primary'),
  );
  await kubectl(
    ['-n', operatorNamespace, 'rollout', 'status', 'deployment/replica-manager', '--timeout=60s'],
    { timeoutMs: 70_000 },
  );
});
