import { afterEach, expect, test } from 'vitest';
import type { KubeClient } from '../../src/kube/client.ts';
import { createLease, microTime, readLease, updateLease } from '../../src/kube/lease.ts';
import type { Lease } from '../../src/kube/resources.ts';
import { failure, ScriptedApiServer } from '../fixtures/scriptedApiServer.ts';
import { clientOf, forever } from './kubeFixtures.ts';
import { MemoryObjects } from './memoryObjects.ts';

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

async function connect(): Promise<{ api: ScriptedApiServer; objects: MemoryObjects; client: KubeClient }> {
  const api = await ScriptedApiServer.start();
  const objects = new MemoryObjects();
  api.answerAlways(objects.answer);
  const client = clientOf(api.url);
  endings.push(async () => {
    client.close();
    await api.close();
  });
  return { api, objects, client };
}

const ref = { namespace: 'shop', name: 'orders-primary' };
const path = '/apis/coordination.k8s.io/v1/namespaces/shop/leases/orders-primary';

async function written(client: KubeClient): Promise<Lease> {
  const write = await createLease(
    client,
    ref,
    { spec: { holderIdentity: 'orders-1', leaseTransitions: 1 } },
    forever(),
  );
  if (write.kind !== 'written') throw new Error(`not written: ${write.reason}`);
  return write.lease;
}

test('times have six digits after the point', () => {
  expect(microTime(new Date('2026-11-23T10:00:00.123Z'))).toBe('2026-11-23T10:00:00.123000Z');
});

test('a Lease is made once, and read as it was made', async () => {
  const { client } = await connect();
  expect(await readLease(client, ref, forever())).toBeUndefined();

  const lease = await written(client);

  expect(await readLease(client, ref, forever())).toEqual(lease);
  expect(await createLease(client, ref, { spec: {} }, forever())).toEqual({
    kind: 'refused',
    reason: 'exists',
  });
});

test('of two writers that read the same version one is refused', async () => {
  const { client } = await connect();
  const read = await written(client);

  const first = await updateLease(
    client,
    read,
    { spec: { holderIdentity: 'orders-2', leaseTransitions: 2 } },
    forever(),
  );
  const second = await updateLease(
    client,
    read,
    { spec: { holderIdentity: 'orders-3', leaseTransitions: 2 } },
    forever(),
  );

  expect(first).toMatchObject({ kind: 'written', lease: { spec: { holderIdentity: 'orders-2' } } });
  expect(second).toEqual({ kind: 'refused', reason: 'changed' });
});

test('fields and annotations that a write does not name stay', async () => {
  const { api, client } = await connect();
  const first = await updateLease(
    client,
    await written(client),
    { spec: {}, annotations: { epoch: '1' } },
    forever(),
  );
  if (first.kind !== 'written') throw new Error('not written');

  await updateLease(client, first.lease, { spec: { renewTime: '2026-11-23T10:00:00.000000Z' } }, forever());

  expect(api.requests.at(-1)?.body).toMatchObject({
    metadata: { annotations: { epoch: '1' } },
    spec: { holderIdentity: 'orders-1', leaseTransitions: 1, renewTime: '2026-11-23T10:00:00.000000Z' },
  });
});

test('a Lease that has been deleted cannot be written over', async () => {
  const { client, objects } = await connect();
  const read = await written(client);
  objects.delete(path);

  expect(await updateLease(client, read, { spec: {} }, forever())).toEqual({
    kind: 'refused',
    reason: 'gone',
  });
});

test('a failure of the server is thrown, because nobody knows whether the write happened', async () => {
  const { api, client } = await connect();
  const read = await written(client);
  api.answerAlways(failure(503, 'ServiceUnavailable'));

  await expect(updateLease(client, read, { spec: {} }, forever())).rejects.toMatchObject({ status: 503 });
});
