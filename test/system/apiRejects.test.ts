// The API server refuses what the operator could not run, and says what to do. Nothing is stored but what changes need.
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiVersion, kind } from '../../src/api/names.ts';
import { statusSchema } from '../../src/api/replicatedPostgresStatus.ts';
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

test('the API server takes every field of a status as the operator writes it', async () => {
  const at = '2026-11-24T06:00:00.000Z';
  const instance = {
    name: 'full-1',
    role: 'replica',
    ready: true,
    routable: false,
    promotable: true,
    reason: 'it is 12 s late',
    lagSeconds: 12.5,
    lagBytes: 2 ** 40,
    receivedLsn: '1/2A',
    replayedLsn: '1/29',
    receiver: 'streaming',
    zone: 'a',
    pendingRestart: ['max_connections'],
    measuredAt: at,
  };
  const failover = {
    kind: 'failover',
    from: 'full-2',
    to: 'full-1',
    epoch: 3,
    detectedAt: at,
    fencedAt: at,
    promotedAt: at,
    publishedAt: at,
    writeGapMs: 900,
    lostBytes: 0,
    reason: 'the primary was lost',
  };
  const condition = { type: 'Ready', status: 'True', reason: 'AllReady', message: 'all is well' };
  const status = {
    phase: 'Ready',
    primary: { name: 'full-2', epoch: 3, timeline: 3, lsn: '1/2B', since: at },
    instances: [instance],
    routing: { configMap: 'full-endpoints', generation: 41 },
    failovers: [failover],
    replicas: 1,
    readyInstances: 1,
    routableReplicas: 0,
    readySummary: '1/1',
    maxLag: '12.5s',
    selector: 'a=b',
    systemIdentifier: '7421',
    observedGeneration: 1,
    conditions: [{ ...condition, lastTransitionTime: at, observedGeneration: 1 }],
  };
  expect(statusSchema.safeParse(status).error).toBeUndefined();
  expect(Object.keys(statusSchema.shape).filter((field) => !(field in status))).toEqual([]);
  await create('full', quiet);

  const written = await client.request<{ status: unknown }>({
    method: 'PATCH',
    path: `${collection}/full/status`,
    query: { dryRun: 'All', fieldManager: 'test', force: true, fieldValidation: 'Strict' },
    contentType: 'application/apply-patch+yaml',
    body: { apiVersion, kind, metadata: { name: 'full' }, status },
  });

  expect(written.status).toEqual(status);
  await kubectl(['-n', namespace, 'delete', 'rpg', 'full', '--wait=false']);
});
