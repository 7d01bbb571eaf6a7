import { afterEach, expect, test } from 'vitest';
import { makeObject } from '../../src/kube/makeObject.ts';
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

const wanted = (kind: string) => ({
  apiVersion: 'v1',
  kind,
  metadata: { namespace: 'shop', name: 'orders' },
});
const seen = ({ requests }: ScriptedApiServer) => requests.map(({ method, path }) => `${method} ${path}`);

test('a Secret is created, never applied', async () => {
  const { api, client } = await connect();
  api.answer('other', json(wanted('Secret'), 201));

  expect(await makeObject(client, wanted('Secret'), forever())).toEqual({
    kind: 'made',
    object: wanted('Secret'),
  });
  expect(seen(api)).toEqual(['POST /api/v1/namespaces/shop/secrets']);
});

test('a Secret that is there already is returned as it is', async () => {
  const { api, client } = await connect();
  const found = { ...wanted('Secret'), data: { password: 'b2xk' } };
  api.answer('other', failure(409, 'AlreadyExists'), json(found));

  expect(await makeObject(client, wanted('Secret'), forever())).toEqual({ kind: 'exists', object: found });
});

test('a Secret that goes away while it is looked at is a conflict, to be looked at again', async () => {
  const { api, client } = await connect();
  api.answer('other', failure(409, 'AlreadyExists'), failure(404, 'NotFound'));

  await expect(makeObject(client, wanted('Secret'), forever())).rejects.toMatchObject({ isConflict: true });
});

test('anything else is looked for, and applied without force when it is not there', async () => {
  const { api, client } = await connect();
  api.answer('other', failure(404, 'NotFound'), json(wanted('Service'), 201));

  expect(await makeObject(client, wanted('Service'), forever())).toMatchObject({ kind: 'made' });
  expect(api.requests).toMatchObject([
    { method: 'GET', path: '/api/v1/namespaces/shop/services/orders' },
    { method: 'PATCH', query: { force: 'false' } },
  ]);
});

test('anything else that is there is not written', async () => {
  const { api, client } = await connect();
  api.answer('other', json(wanted('Service')));

  expect(await makeObject(client, wanted('Service'), forever())).toMatchObject({ kind: 'exists' });
  expect(seen(api)).toEqual(['GET /api/v1/namespaces/shop/services/orders']);
});
