import fc from 'fast-check';
import { expect, test } from 'vitest';
import { appliedAnnotation, withAppliedHash } from '../../src/kube/appliedHash.ts';
import { differs, findDifference } from '../../src/kube/differs.ts';
import type { KubeObject } from '../../src/kube/kubeObject.ts';

interface Wanted extends KubeObject {
  readonly spec: Record<string, unknown>;
}

/** A StatefulSet as a builder makes it. */
const wanted: Wanted = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { namespace: 'shop', name: 'orders-1', labels: { topology: 'orders' } },
  spec: {
    replicas: 1,
    selector: { matchLabels: { instance: 'orders-1' } },
    template: {
      metadata: { labels: { instance: 'orders-1' } },
      spec: {
        containers: [
          {
            name: 'postgres',
            image: 'postgres:17',
            args: [],
            ports: [{ name: 'postgres', containerPort: 5432 }],
            resources: { requests: { cpu: '1000m', memory: '1Gi' }, limits: { cpu: 0.5 } },
            livenessProbe: { httpGet: { path: '/livez', port: 8008 }, initialDelaySeconds: 0 },
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          },
        ],
        volumes: [{ name: 'tmp', emptyDir: {} }],
      },
    },
  },
};

/** What the server makes of it: defaults everywhere, quantities rewritten, empty values dropped. */
function served(object: KubeObject = wanted): Served {
  const live = structuredClone(withAppliedHash(object)) as Served;
  const container = live.spec.template.spec.containers[0] as Record<string, unknown>;
  delete container['args'];
  Object.assign(container, {
    imagePullPolicy: 'IfNotPresent',
    terminationMessagePath: '/dev/termination-log',
    ports: [{ name: 'postgres', containerPort: 5432, protocol: 'TCP' }],
    resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '500m' } },
    livenessProbe: {
      httpGet: { path: '/livez', port: 8008, scheme: 'HTTP' },
      periodSeconds: 10,
    },
  });
  Object.assign(live.spec.template.spec, {
    restartPolicy: 'Always',
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
  });
  Object.assign(live.spec, {
    podManagementPolicy: 'OrderedReady',
    updateStrategy: { type: 'RollingUpdate' },
  });
  Object.assign(live.metadata, { uid: 'u', resourceVersion: '5', creationTimestamp: 'now', generation: 1 });
  return { ...live, status: { replicas: 1 } };
}

interface Served extends KubeObject {
  spec: Record<string, unknown> & {
    template: { spec: { containers: Record<string, unknown>[]; volumes: Record<string, unknown>[] } };
  };
  metadata: KubeObject['metadata'] & { annotations: Record<string, string>; labels: Record<string, string> };
  status: unknown;
}

test('what the server makes of an applied object does not differ from it', () => {
  expect(findDifference(wanted, served())).toBeUndefined();
  expect(findDifference(withAppliedHash(wanted), served())).toBeUndefined();
});

test.each<[string, (live: Served) => void, string]>([
  [
    'a value changed',
    (it) => {
      it.spec['replicas'] = 3;
    },
    'spec.replicas',
  ],
  [
    'a label changed',
    (it) => {
      it.metadata.labels['topology'] = 'x';
    },
    'metadata.labels.topology',
  ],
  ['a label removed', (it) => void delete it.metadata.labels['topology'], 'metadata.labels.topology'],
  ['a field removed', (it) => void delete it.spec['replicas'], 'spec.replicas'],
  [
    'a key added to a selector',
    (it) => {
      it.spec['selector'] = { matchLabels: { instance: 'orders-1', more: 'x' } };
    },
    'spec.selector.matchLabels.more',
  ],
  [
    'an element added to a list',
    (it) => void it.spec.template.spec.containers.push({ name: 'more' }),
    'spec.template.spec.containers',
  ],
  [
    'an element removed',
    (it) => void it.spec.template.spec.containers.pop(),
    'spec.template.spec.containers',
  ],
  [
    'an image changed deep inside',
    (it) => void Object.assign(it.spec.template.spec.containers[0] ?? {}, { image: 'postgres:16' }),
    'spec.template.spec.containers[0].image',
  ],
  [
    'another quantity',
    (it) =>
      void Object.assign(it.spec.template.spec.containers[0] ?? {}, {
        resources: { requests: { cpu: '2', memory: '1Gi' }, limits: { cpu: '500m' } },
      }),
    'spec.template.spec.containers[0].resources.requests.cpu',
  ],
  [
    'a security setting removed, although it was false',
    (it) =>
      void Object.assign(it.spec.template.spec.containers[0] ?? {}, {
        securityContext: { capabilities: { drop: ['ALL'] } },
      }),
    'spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation',
  ],
  [
    'an emptyDir turned into something else',
    (it) => {
      it.spec.template.spec.volumes[0] = { name: 'tmp', hostPath: { path: '/' } };
    },
    'spec.template.spec.volumes[0].emptyDir',
  ],
  [
    'a map turned into a list',
    (it) => {
      it.spec['selector'] = [];
    },
    'spec.selector',
  ],
  [
    'our mark removed',
    (it) => void delete it.metadata.annotations[appliedAnnotation],
    'what was applied last is not what is wanted now',
  ],
])('%s by hand is seen', (_name, edit, path) => {
  const live = served();
  edit(live);

  expect(findDifference(wanted, live)).toBe(path);
});

test('a field that was wanted earlier and no longer is differs, although every field that is wanted is there', () => {
  const { replicas: _, ...spec } = wanted.spec;

  expect(findDifference({ ...wanted, spec } as KubeObject, served())).toBe(
    'what was applied last is not what is wanted now',
  );
});

test('labels and annotations that others have added are none of our business', () => {
  const live = served();
  live.metadata.labels['team'] = 'shop';
  live.metadata.annotations['kubectl.kubernetes.io/restartedAt'] = 'now';

  expect(differs(wanted, live)).toBe(false);
});

const configMap = (data: object): KubeObject & { data: object } => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { namespace: 'shop', name: 'orders' },
  data,
});

test('text that looks like a quantity is text where the API has no quantities', () => {
  const live = { ...withAppliedHash(configMap({ cpu: '1000m' })), data: { cpu: '1' } };

  expect(findDifference(configMap({ cpu: '1000m' }), live)).toBe('data.cpu');
});

test.each([
  [{ port: 80 }, { port: '80' }],
  [{ maxUnavailable: '1' }, { maxUnavailable: 1 }],
])('%j and %j are the same, whichever way the server prefers to write it', (left, right) => {
  const live = { ...withAppliedHash(configMap(left)), data: right };

  expect(differs(configMap(left), live)).toBe(false);
});

test('stringData of a Secret is compared with data as the server shows it', () => {
  const secret = (stringData: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace: 'shop', name: 'orders' },
    data: { kept: 'eA==' },
    stringData,
  });
  const { stringData: _, ...rest } = withAppliedHash(secret({ password: 'é' }));
  const live = { ...rest, data: { kept: 'eA==', password: 'w6k=' } };

  expect(findDifference(secret({ password: 'é' }), live)).toBeUndefined();
  expect(findDifference(secret({ password: 'f' }), live)).toBe('data.password');
});

const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean());
const json = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, scalar, fc.array(tie('value'), { maxLength: 4 }), tie('map')),
  map: fc.dictionary(fc.string({ minLength: 1 }), tie('value'), { maxKeys: 5 }),
})).map as Record<'map', fc.Arbitrary<Record<string, unknown>>>['map'];

/** Adds to every map a key that nobody named, as defaulting does; to none of those that must be exact. */
function withDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withDefaults);
  if (typeof value !== 'object' || value === null) return value;
  const filled = Object.entries(value).map(([key, it]) => [key, withDefaults(it)]);
  return { ...Object.fromEntries(filled), [defaultedKey]: { deep: 1 } };
}
const defaultedKey = 'a default that no test would name';

const object = (spec: unknown): KubeObject & { spec: unknown } => ({
  apiVersion: 'v1',
  kind: 'Anything',
  metadata: { name: 'x' },
  spec,
});
const isExact = (text: string) => /selector|matchLabels|nodeSelector/i.test(text);

test('no object differs from itself with any number of fields added by defaulting', () => {
  fc.assert(
    fc.property(json, (spec) => {
      fc.pre(!isExact(JSON.stringify(spec)));
      const live = { ...withAppliedHash(object(spec)), spec: withDefaults(spec) };
      expect(findDifference(object(spec), live)).toBeUndefined();
    }),
  );
});

/** Every scalar in a value, as a way to replace it. */
function scalars(value: unknown, put: (it: unknown) => unknown): (() => unknown)[] {
  if (Array.isArray(value)) {
    return value.flatMap((it, i) =>
      scalars(it, (changed) => put(value.map((old, j) => (i === j ? changed : old)))),
    );
  }
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, it]) =>
      scalars(it, (changed) => put({ ...value, [key]: changed })),
    );
  }
  return [() => put('certainly something else')];
}

test('a change of any single value, however deep, is seen', () => {
  fc.assert(
    fc.property(json, fc.nat(), (spec, choice) => {
      const changes = scalars(spec, (it) => it);
      const change = changes[choice % Math.max(1, changes.length)];
      fc.pre(change !== undefined);
      const live = { ...withAppliedHash(object(spec)), spec: change?.() };
      expect(differs(object(spec), live)).toBe(true);
    }),
  );
});

test('the mark does not depend on the order of keys, nor on being there already', () => {
  fc.assert(
    fc.property(json, (spec) => {
      const reversed = Object.fromEntries(Object.entries(spec).reverse());
      const marked = withAppliedHash(object(spec));
      expect(withAppliedHash(object(reversed)).metadata).toEqual(marked.metadata);
      expect(withAppliedHash(marked)).toEqual(marked);
    }),
  );
});
