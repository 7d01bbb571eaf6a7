import { afterEach, expect, test } from 'vitest';
import { appliedAnnotation, withAppliedHash } from '../../src/kube/appliedHash.ts';
import { ensureObject } from '../../src/kube/ensure.ts';
import type { LiveObject } from '../../src/kube/kubeObject.ts';
import { failure, json, ScriptedApiServer } from '../fixtures/scriptedApiServer.ts';
import { clientOf, forever } from './kubeFixtures.ts';

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

async function connect() {
  const api = await ScriptedApiServer.start();
  const client = clientOf(api.url);
  endings.push(async () => {
    client.close();
    await api.close();
  });
  return { api, client };
}

const wanted = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'shop', name: 'orders' },
  spec: { ports: [{ name: 'postgres', port: 5432 }] },
};
const live = (ports: object[]): LiveObject & { spec: object } => {
  const marked = withAppliedHash(wanted);
  const metadata = { ...marked.metadata, uid: 'u', resourceVersion: '7', creationTimestamp: 'now' };
  return { ...marked, metadata, spec: { ports, type: 'ClusterIP' } };
};
const port = { name: 'postgres', port: 5432, protocol: 'TCP' };
const extra = { name: 'extra', port: 1, protocol: 'TCP' };

test('nothing is sent when nothing differs', async () => {
  const { api, client } = await connect();

  expect(await ensureObject(client, wanted, live([port]), forever())).toEqual({ kind: 'unchanged' });
  expect(api.requests).toEqual([]);
});

test('an object that does not exist is applied with its mark', async () => {
  const { api, client } = await connect();
  api.answer('other', json(live([port])));

  expect(await ensureObject(client, wanted, undefined, forever())).toEqual({
    kind: 'applied',
    object: live([port]),
    difference: 'it does not exist',
    remaining: undefined,
  });
  expect(api.requests).toMatchObject([
    {
      method: 'PATCH',
      path: '/api/v1/namespaces/shop/services/orders',
      query: { fieldManager: 'replica-manager', force: 'true' },
      headers: { 'content-type': 'application/apply-patch+yaml' },
      body: { metadata: { annotations: { [appliedAnnotation]: expect.stringMatching(/^[0-9a-f]{16}$/) } } },
    },
  ]);
});

test('what apply leaves of an element added by hand is removed, if nobody has written meanwhile', async () => {
  const { api, client } = await connect();
  api.answer('other', json(live([port, extra])), json(live([port])));

  const ensured = await ensureObject(client, wanted, live([extra, port]), forever());

  expect(ensured).toMatchObject({ difference: 'spec.ports', remaining: undefined });
  expect(api.requests[1]).toMatchObject({
    headers: { 'content-type': 'application/json-patch+json' },
    body: [
      { op: 'test', path: '/spec/ports/1', value: extra },
      { op: 'remove', path: '/spec/ports/1' },
    ],
  });
});

test('an element that changes before it can be removed is a conflict, to be looked at again', async () => {
  const { api, client } = await connect();
  api.answer('other', json(live([port, extra])), failure(422, 'Invalid', 'the test did not hold'));

  await expect(ensureObject(client, wanted, live([extra]), forever())).rejects.toMatchObject({
    isConflict: true,
    message: 'Service orders was changed while elements were removed from it',
  });
});

test('what somebody else keeps changing back is told, not written again and again', async () => {
  const { api, client } = await connect();
  const changed = live([{ ...port, port: 9 }]);
  api.answer('other', json(changed));

  expect(await ensureObject(client, wanted, changed, forever())).toMatchObject({
    kind: 'applied',
    remaining: 'spec.ports[0].port',
  });
  expect(api.requests.length).toBe(1);
});

test('an element that stands in the way of ours is replaced before apply is tried again', async () => {
  const { api, client } = await connect();
  api.answer(
    'other',
    failure(422, 'Invalid', 'spec.ports[1].name: Duplicate value'),
    json({}),
    json(live([port])),
  );

  const ensured = await ensureObject(client, wanted, live([{ ...port, port: 9 }]), forever());

  expect(ensured).toMatchObject({ kind: 'applied', remaining: undefined });
  expect(api.requests.map(({ headers }) => headers['content-type'])).toEqual([
    'application/apply-patch+yaml',
    'application/json-patch+json',
    'application/apply-patch+yaml',
  ]);
  expect(api.requests[1]?.body).toEqual([
    { op: 'test', path: '/spec/ports', value: [{ ...port, port: 9 }] },
    { op: 'replace', path: '/spec/ports', value: wanted.spec.ports },
  ]);
});

test('a field that must not change is a terminal error at once', async () => {
  const { api, client } = await connect();
  api.answer('other', failure(422, 'Invalid', 'spec.type: field is immutable'));
  const another = { ...wanted, spec: { ...wanted.spec, type: 'LoadBalancer' } };

  await expect(ensureObject(client, another, live([port]), forever())).rejects.toMatchObject({
    isTerminal: true,
  });
  expect(api.requests.length).toBe(1);
});

test('an object that does not fit its schema is a terminal error', async () => {
  const { api, client } = await connect();
  api.answer(
    'other',
    failure(500, 'InternalError', 'failed to create typed patch object: field not declared in schema'),
  );

  await expect(ensureObject(client, wanted, undefined, forever())).rejects.toMatchObject({
    isTerminal: true,
  });
});
