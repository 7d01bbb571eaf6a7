import { afterEach, expect, test } from 'vitest';
import { applyStatus } from '../../src/kube/apply.ts';
import type { KubeObject } from '../../src/kube/kubeObject.ts';
import { resources } from '../../src/kube/resources.ts';
import {
  createObject,
  deleteObject,
  getObject,
  jsonPatch,
  listObjects,
  mergePatch,
  updateObject,
} from '../../src/kube/verbs.ts';
import { failure, json, page, ScriptedApiServer } from '../fixtures/scriptedApiServer.ts';
import { clientOf, forever, pod } from './kubeFixtures.ts';

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

async function connect(fieldManager?: string) {
  const api = await ScriptedApiServer.start();
  const client = clientOf(api.url, fieldManager === undefined ? {} : { fieldManager });
  endings.push(async () => {
    client.close();
    await api.close();
  });
  return { api, client };
}

const ref = { namespace: 'shop', name: 'a' };

test('what is not there is undefined, and cannot be deleted', async () => {
  const { api, client } = await connect();
  api.answerAlways(failure(404, 'NotFound'));

  expect(await getObject(client, resources.Pod, ref, forever())).toBeUndefined();
  expect(await deleteObject(client, resources.Pod, ref, forever())).toBe(false);
});

test('other failures of a read are thrown', async () => {
  const { api, client } = await connect();
  api.answer('other', failure(403, 'Forbidden'));

  await expect(getObject(client, resources.Pod, ref, forever())).rejects.toMatchObject({ status: 403 });
});

test('a list of several pages is one list, its objects with their kind', async () => {
  const { api, client } = await connect();
  const { apiVersion: _, kind: __, ...bare } = pod('a', 1);
  api.answer('list', page('10', [bare], 'more'), page('10', [pod('b', 2)]));

  const pods = await listObjects(
    client,
    resources.Pod,
    { namespace: 'shop', labelSelector: 'x=y' },
    forever(),
  );

  expect(pods).toEqual([pod('a', 1), pod('b', 2)]);
  expect(api.requests.map(({ query }) => query)).toEqual([
    { labelSelector: 'x=y', limit: '500' },
    { labelSelector: 'x=y', limit: '500', continue: 'more' },
  ]);
});

test('an empty list that comes as null is empty', async () => {
  const { api, client } = await connect();
  api.answer('list', json({ metadata: { resourceVersion: '1' }, items: null }));

  expect(await listObjects(client, resources.Pod, {}, forever())).toEqual([]);
});

test('a deletion names what it means to delete', async () => {
  const { api, client } = await connect();
  api.answer('other', json({}));

  expect(
    await deleteObject(
      client,
      resources.Pod,
      { ...ref, uid: 'u', resourceVersion: '7', propagation: 'Foreground', gracePeriodSeconds: 0 },
      forever(),
    ),
  ).toBe(true);

  expect(api.requests[0]).toMatchObject({
    method: 'DELETE',
    path: '/api/v1/namespaces/shop/pods/a',
    body: {
      propagationPolicy: 'Foreground',
      gracePeriodSeconds: 0,
      preconditions: { uid: 'u', resourceVersion: '7' },
    },
  });
});

test('every write says whose fields it sets', async () => {
  const { api, client } = await connect('replica-manager-agent');
  api.answerAlways(json(pod('a', 1)));
  const object: KubeObject = pod('a', 1);

  await createObject(client, object, forever());
  await updateObject(client, object, forever());
  await mergePatch(client, resources.Pod, ref, { metadata: { labels: { x: null } } }, forever());
  await jsonPatch(
    client,
    resources.Pod,
    { ...ref, subresource: 'status' },
    [{ op: 'remove', path: '/x' }],
    forever(),
  );
  await applyStatus(client, { ...object, status: {} }, forever());

  const path = '/api/v1/namespaces/shop/pods';
  expect(
    api.requests.map(({ method, path, headers, query }) => [method, path, headers['content-type'], query]),
  ).toEqual(
    [
      ['POST', path, 'application/json'],
      ['PUT', `${path}/a`, 'application/json'],
      ['PATCH', `${path}/a`, 'application/merge-patch+json'],
      ['PATCH', `${path}/a/status`, 'application/json-patch+json'],
      ['PATCH', `${path}/a/status`, 'application/apply-patch+yaml', { force: 'true' }],
    ].map(([method, where, type, query = {}]) => [
      method,
      where,
      type,
      { fieldManager: 'replica-manager-agent', ...(query as object) },
    ]),
  );
});
