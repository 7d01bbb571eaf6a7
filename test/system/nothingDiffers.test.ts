// An object that was applied and that nobody has touched is not written again, and one that somebody has touched is
// mended once. Every object that the operator can make is tried, as its golden file shows it.

import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import type { KubeClient } from '../../src/kube/client.ts';
import { differs, findDifference } from '../../src/kube/differs.ts';
import { ensureObject } from '../../src/kube/ensure.ts';
import type { KubeObject, LiveObject } from '../../src/kube/kubeObject.ts';
import { resourceOf } from '../../src/kube/resources.ts';
import { getObject, type JsonPatchStep, jsonPatch, refOf } from '../../src/kube/verbs.ts';
import { ownNamespace } from '../fixtures/ownNamespace.ts';

const { namespace, connect } = ownNamespace('nothing-differs');
const { signal } = new AbortController();

/** In our namespace, under a name of its own, without an owner that does not exist here and pods that nobody needs. */
function inNamespace(object: KubeObject & { spec?: object }, name: string): KubeObject {
  const { ownerReferences: _, ...metadata } = object.metadata;
  const hasPods = ['StatefulSet', 'Deployment'].includes(object.kind);
  return {
    ...object,
    metadata: { ...metadata, namespace, name },
    ...(hasPods ? { spec: { ...object.spec, replicas: 0 } } : {}),
  };
}

function golden(file: string): KubeObject {
  return inNamespace(parse(readFileSync(file, 'utf8')) as KubeObject, basename(file, '.yaml').toLowerCase());
}

async function read(client: KubeClient, object: KubeObject): Promise<LiveObject> {
  const live = await getObject(client, resourceOf(object), refOf(object), signal);
  if (live === undefined) throw new Error(`${object.kind} ${object.metadata.name} is gone`);
  return live;
}

// A change of a claim is no whole object: it is applied to a claim that a StatefulSet has made.
const files = globSync('test/golden/*.yaml').filter((file) => !file.includes('PersistentVolumeClaim'));

test('there are golden objects to try', () => {
  expect(files.length).toBeGreaterThan(10);
});

test.each(files.map((file) => [basename(file, '.yaml'), file]))(
  '%s does not differ from what the server makes of it',
  async (_name, file) => {
    const client = await connect();
    const object = golden(file);
    await ensureObject(client, object, undefined, signal);

    const live = await read(client, object);

    expect(findDifference(object, live)).toBeUndefined();
    expect(await ensureObject(client, object, live, signal)).toEqual({ kind: 'unchanged' });
  },
);

interface Edit {
  readonly what: string;
  readonly object: KubeObject;
  readonly steps: readonly JsonPatchStep[];
}

const labels = { app: 'edited' };
const podSpec = {
  containers: [
    {
      name: 'main',
      image: 'busybox',
      ports: [{ name: 'http', containerPort: 80 }],
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
      ],
      resources: { requests: { cpu: '1000m', memory: '1024Mi' } },
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    },
  ],
  volumes: [{ name: 'tmp', emptyDir: { sizeLimit: '1024Mi' } }],
};
const object = (apiVersion: string, kind: string, rest: object): KubeObject => ({
  apiVersion,
  kind,
  metadata: { namespace, name: 'edited', labels },
  ...rest,
});
const service = object('v1', 'Service', {
  spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
});
const statefulSet = object('apps/v1', 'StatefulSet', {
  spec: {
    replicas: 0,
    serviceName: 'edited',
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: podSpec },
    volumeClaimTemplates: [
      {
        metadata: { name: 'data' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1024Mi' } } },
      },
    ],
  },
});
const deployment = object('apps/v1', 'Deployment', {
  spec: {
    replicas: 0,
    selector: { matchLabels: labels },
    strategy: { rollingUpdate: { maxSurge: '25%', maxUnavailable: 0 } },
    template: { metadata: { labels }, spec: podSpec },
  },
});
const budget = object('policy/v1', 'PodDisruptionBudget', {
  spec: { maxUnavailable: 1, selector: { matchLabels: labels } },
});
const role = object('rbac.authorization.k8s.io/v1', 'Role', {
  rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
});
const roleBinding = object('rbac.authorization.k8s.io/v1', 'RoleBinding', {
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'edited' },
  subjects: [{ kind: 'ServiceAccount', name: 'edited', namespace }],
});
const configMap = object('v1', 'ConfigMap', { data: { a: '1' } });
const secret = object('v1', 'Secret', { stringData: { password: 'x' } });

const container = '/spec/template/spec/containers/0';
const edits: Edit[] = [
  {
    what: 'a port added to a Service',
    object: service,
    steps: [{ op: 'add', path: '/spec/ports/0', value: { name: 'x', port: 9 } }],
  },
  {
    what: 'a port changed in a Service',
    object: service,
    steps: [{ op: 'replace', path: '/spec/ports/0/port', value: 81 }],
  },
  {
    what: 'a key added to the selector of a Service',
    object: service,
    steps: [{ op: 'add', path: '/spec/selector/x', value: 'y' }],
  },
  {
    what: 'a label of a Service removed',
    object: service,
    steps: [{ op: 'remove', path: '/metadata/labels/app' }],
  },
  {
    what: 'a StatefulSet scaled',
    object: statefulSet,
    steps: [{ op: 'replace', path: '/spec/replicas', value: 1 }],
  },
  {
    what: 'an image changed in a StatefulSet',
    object: statefulSet,
    steps: [{ op: 'replace', path: `${container}/image`, value: 'x' }],
  },
  {
    what: 'a container added to a StatefulSet',
    object: statefulSet,
    steps: [{ op: 'add', path: '/spec/template/spec/containers/0', value: { name: 'x', image: 'x' } }],
  },
  {
    what: 'a variable added before ours',
    object: statefulSet,
    steps: [{ op: 'add', path: `${container}/env/0`, value: { name: 'X', value: 'x' } }],
  },
  {
    what: 'the order of variables changed',
    object: statefulSet,
    steps: [
      {
        op: 'replace',
        path: `${container}/env`,
        value: [
          { name: 'B', value: '2' },
          { name: 'A', value: '1' },
        ],
      },
    ],
  },
  {
    what: 'a privilege given back',
    object: statefulSet,
    steps: [{ op: 'remove', path: `${container}/securityContext/allowPrivilegeEscalation` }],
  },
  {
    what: 'a capability added',
    object: statefulSet,
    steps: [{ op: 'replace', path: `${container}/securityContext/capabilities/drop`, value: ['KILL'] }],
  },
  {
    what: 'a volume added to a Deployment',
    object: deployment,
    steps: [{ op: 'add', path: '/spec/template/spec/volumes/-', value: { name: 'x', emptyDir: {} } }],
  },
  {
    what: 'a quantity changed in a Deployment',
    object: deployment,
    steps: [{ op: 'replace', path: `${container}/resources/requests/cpu`, value: '2' }],
  },
  {
    what: 'a key added to the selector of a budget',
    object: budget,
    steps: [{ op: 'add', path: '/spec/selector/matchLabels/x', value: 'y' }],
  },
  {
    what: 'a budget turned round',
    object: budget,
    steps: [{ op: 'replace', path: '/spec/maxUnavailable', value: '50%' }],
  },
  {
    what: 'a rule added to a Role',
    object: role,
    steps: [
      { op: 'add', path: '/rules/-', value: { apiGroups: [''], resources: ['secrets'], verbs: ['get'] } },
    ],
  },
  {
    what: 'a verb added to a Role',
    object: role,
    steps: [{ op: 'add', path: '/rules/0/verbs/-', value: 'delete' }],
  },
  {
    what: 'a subject added to a RoleBinding',
    object: roleBinding,
    steps: [
      { op: 'add', path: '/subjects/-', value: { kind: 'ServiceAccount', name: 'x', namespace: 'default' } },
    ],
  },
  {
    what: 'a value changed in a ConfigMap',
    object: configMap,
    steps: [{ op: 'replace', path: '/data/a', value: '2' }],
  },
  { what: 'a value of a Secret removed', object: secret, steps: [{ op: 'remove', path: '/data/password' }] },
];

test.each(edits.map((edit) => [edit.what, edit] as const))(
  '%s by hand is seen, and mended by one run',
  async (_what, edit) => {
    const client = await connect();
    const somebody = await connect('somebody');
    await ensureObject(
      client,
      edit.object,
      await getObject(client, resourceOf(edit.object), refOf(edit.object), signal),
      signal,
    );
    expect(findDifference(edit.object, await read(client, edit.object))).toBeUndefined();

    const edited = await jsonPatch(somebody, resourceOf(edit.object), refOf(edit.object), edit.steps, signal);
    expect(differs(edit.object, edited)).toBe(true);
    const ensured = await ensureObject(client, edit.object, edited, signal);

    expect(ensured).toMatchObject({ kind: 'applied', remaining: undefined });
    expect(findDifference(edit.object, await read(client, edit.object))).toBeUndefined();
  },
);

test('a field that is no longer wanted is taken away', async () => {
  const client = await connect();
  const wanted = { ...configMap, metadata: { namespace, name: 'shrinking' }, data: { a: '1', b: '2' } };
  await ensureObject(client, wanted, undefined, signal);

  const less = { ...wanted, data: { a: '1' } };
  await ensureObject(client, less, await read(client, wanted), signal);

  expect(await read(client, less)).toMatchObject({ data: { a: '1' } });
  expect(await read(client, less)).not.toMatchObject({ data: { b: '2' } });
});

test('an element that is put between others later does not differ once it is applied', async () => {
  const client = await connect();
  const ports = (...names: string[]) => ({
    ...service,
    metadata: { namespace, name: 'growing' },
    spec: { selector: labels, ports: names.map((name, i) => ({ name, port: name.charCodeAt(0) + 0 * i })) },
  });
  await ensureObject(client, ports('a', 'c'), undefined, signal);

  for (const wanted of [ports('a', 'b', 'c'), ports('c', 'b', 'a'), ports('d', 'c')]) {
    expect(await ensureObject(client, wanted, await read(client, wanted), signal)).toMatchObject({
      kind: 'applied',
      remaining: undefined,
    });
  }
});
