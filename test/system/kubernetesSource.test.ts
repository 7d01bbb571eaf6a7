// The watch of the endpoints ConfigMap on a real API server, with a service account that has the two rights that the documentation
// names and no other.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { kubernetesSource } from '../../src/router/kubernetes/kubernetesSource.ts';
import { endpointsDocument } from '../fixtures/endpointsDocument.ts';
import { applyObject, kubectl } from '../fixtures/kubectl.ts';
import { MountedFolder } from '../fixtures/mountedFolder.ts';
import { ownNamespace } from '../fixtures/ownNamespace.ts';
import { until } from '../fixtures/temporaryPostgres.ts';

const { namespace } = ownNamespace('endpoints-watch');
const account = new MountedFolder();
const stop = new AbortController();
let apiServer: URL;

const publish = (generation: number) =>
  applyObject({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'orders-endpoints', namespace },
    data: { 'endpoints.json': JSON.stringify(endpointsDocument({ generation })) },
  });

beforeAll(async () => {
  const metadata = { name: 'endpoints-reader', namespace };
  const rule = { apiGroups: [''], resources: ['configmaps'], resourceNames: ['orders-endpoints'] };
  await applyObject({ apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  await applyObject({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata,
    rules: [{ ...rule, verbs: ['get', 'watch'] }],
  });
  await applyObject({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: metadata.name },
    subjects: [{ kind: 'ServiceAccount', ...metadata }],
  });
  const config = JSON.parse(await kubectl(['config', 'view', '--raw', '--minify', '-o', 'json']));
  const { cluster } = config.clusters[0];
  apiServer = new URL(cluster.server);
  account.write({
    token: await kubectl(['-n', namespace, 'create', 'token', metadata.name]),
    namespace,
    'ca.crt': Buffer.from(cluster['certificate-authority-data'] ?? '', 'base64').toString(),
  });
});
afterAll(() => {
  stop.abort();
  account[Symbol.dispose]();
});

test('a published document is there within a second, with no right but to get and watch the one ConfigMap', async () => {
  const credentials = { username: 'app', password: 'hidden', database: 'shop', ca: 'PEM' };
  const source = kubernetesSource({
    name: 'orders',
    apiServer,
    serviceAccountDir: account.path,
    credentials,
  });
  const followed = source.follow(() => {}, systemClock, stop.signal);
  await until('the absence is told', () => source.problems.join().includes('there is no ConfigMap'));
  await publish(1);
  await until('the first is there', () => source.topology?.document.generation === 1);
  const delays: number[] = [];
  for (let generation = 2; generation <= 6; generation += 1) {
    await publish(generation);
    const startedAtMs = performance.now();
    await until('the next is there', () => source.topology?.document.generation === generation);
    delays.push(Math.round(performance.now() - startedAtMs));
  }
  console.info(`seen ${delays.join(', ')} ms after kubectl had returned`);
  expect(Math.max(...delays)).toBeLessThan(1_000);
  expect(source.problems).toEqual([]);
  stop.abort();
  await followed;
});
