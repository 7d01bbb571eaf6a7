// The API server refuses what the operator could not run, and says what to do. Nothing is stored but what changes need.
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiVersion, kind } from '../../src/api/names.ts';
import { ApiError } from '../../src/kube/apiError.ts';
import { clientFromKubeConfig } from '../../src/kube/clientFromKubeConfig.ts';
import { pathOf, resources } from '../../src/kube/resources.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { badChanges, badNames, badSpecs, smallestSpec } from '../fixtures/badInputs.ts';
import { kubectl } from '../fixtures/kubectl.ts';

const namespace = 'api-rejects';

/** Changes need a stored object, which the operator begins to run: let it have little to do until it is deleted. */
const quiet = { instances: 1, pooler: { readWrite: { instances: 0 }, readOnly: { instances: 0 } } };

const kubeConfig = new KubeConfig();
kubeConfig.loadFromDefault();
const client = clientFromKubeConfig(kubeConfig, { clock: systemClock, version: 'test', component: 'test' });
const collection = pathOf(resources.ReplicatedPostgres, { namespace });

const topology = (name: string, spec: object) => ({
  apiVersion,
  kind,
  metadata: { name, namespace },
  spec: { ...smallestSpec, ...spec },
});

/** What the API server said, or undefined when it took the object. */
async function refusal(request: Promise<unknown>): Promise<string | undefined> {
  try {
    await request;
    return undefined;
  } catch (error) {
    if (error instanceof ApiError && error.status === 422) return error.message;
    throw error;
  }
}

const create = (name: string, spec: object, query = {}) =>
  client.request({ method: 'POST', path: collection, query, body: topology(name, spec) });
const tryCreate = (name: string, spec: object) => refusal(create(name, spec, { dryRun: 'All' }));
/** Exchanges the whole spec, whatever the operator has written beside it. */
const tryChange = (name: string, spec: object) =>
  refusal(
    client.request({
      method: 'PATCH',
      path: `${collection}/${name}`,
      query: { dryRun: 'All' },
      contentType: 'application/json-patch+json',
      body: [{ op: 'replace', path: '/spec', value: { ...smallestSpec, ...spec } }],
    }),
  );

beforeAll(async () => {
  await kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--wait']);
  await kubectl(['create', 'namespace', namespace]);
});

afterAll(async () => {
  client.close();
  await kubectl(['delete', 'namespace', namespace, '--wait=false']);
});

test.each(badSpecs)('$mistake is refused with what to do', async ({ bad, good, field, says }) => {
  const message = await tryCreate('orders', bad);

  expect(message).toContain(field);
  expect(message).toMatch(says);
  if (good !== undefined) expect(await tryCreate('orders', good)).toBeUndefined();
});

test.each(badNames)('a topology called $bad is refused with what to do', async ({ bad, good, says }) => {
  expect(await tryCreate(bad, {})).toMatch(says);
  expect(await tryCreate(good, {})).toBeUndefined();
});

test.each(badChanges.map((row, index) => ({ ...row, name: `change-${index}` })))(
  '$mistake is refused with what to do',
  async ({ name, before, bad, good, field, says }) => {
    await create(name, { ...quiet, ...before });
    try {
      const message = await tryChange(name, { ...quiet, ...bad });

      expect(message).toContain(field);
      expect(message).toMatch(says);
      if (good !== undefined) expect(await tryChange(name, { ...quiet, ...good })).toBeUndefined();
    } finally {
      await kubectl(['-n', namespace, 'delete', 'rpg', name, '--wait=false']);
    }
  },
);

test('a field that does not exist is refused when the client validates, as kubectl does', async () => {
  const apply = (spec: object) =>
    kubectl(['create', '--dry-run=server', '--validate=strict', '-f', '-'], {
      input: JSON.stringify(topology('orders', spec)),
    });

  await expect(apply({ replicas: 3 })).rejects.toThrow(/unknown field "spec\.replicas"/);
  expect(await apply({ instances: 3 })).toContain('created');
});

test('kubectl scale cannot ask for more instances than there may be', async () => {
  await create('scaled', quiet);
  const scale = (replicas: number) =>
    kubectl(['-n', namespace, 'scale', 'rpg', 'scaled', `--replicas=${replicas}`]);

  await expect(scale(16)).rejects.toThrow(/spec\.instances.* less than or equal to 15/);
  await expect(scale(0)).rejects.toThrow(/spec\.instances.* greater than or equal to 1/);
  await kubectl(['-n', namespace, 'delete', 'rpg', 'scaled', '--wait=false']);
});
