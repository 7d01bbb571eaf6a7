// What holds for every object, whatever the spec says.
import { expect, test } from 'vitest';
import { configConfigMap } from '../../src/objects/configConfigMap.ts';
import { desiredObjects } from '../../src/objects/desiredObjects.ts';
import { instanceRole } from '../../src/objects/instanceRole.ts';
import { exampleCredentials, exampleOptions } from './exampleOptions.ts';
import { exampleTopology } from './exampleTopology.ts';

interface Container {
  readonly name: string;
  readonly securityContext?: unknown;
  readonly resources?: { readonly requests?: unknown; readonly limits?: unknown };
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
}
interface PodSpec {
  readonly initContainers: readonly Container[];
  readonly containers: readonly Container[];
  readonly securityContext: unknown;
  readonly enableServiceLinks: boolean;
}

const longestName = 'o'.repeat(40);
const objects = desiredObjects(exampleTopology(), exampleOptions);

/** Pod specs of the StatefulSets and Deployments, by name. */
function podSpecs(): [string, PodSpec][] {
  return objects.flatMap((object): [string, PodSpec][] => {
    const spec = 'spec' in object ? (object.spec as { template?: { spec: PodSpec } }) : {};
    return spec.template === undefined ? [] : [[object.metadata.name, spec.template.spec]];
  });
}

test('every object says twice whose it is: by owner reference and by label', () => {
  const said = objects.map(({ kind, metadata }) => ({
    object: `${kind} ${metadata.name}`,
    namespace: metadata.namespace,
    owners: metadata.ownerReferences,
    topology: metadata.labels['replica-manager.io/topology'],
    managedBy: metadata.labels['app.kubernetes.io/managed-by'],
  }));

  expect(said).toEqual(
    said.map(({ object }) => ({
      object,
      namespace: 'shop',
      owners: [
        {
          apiVersion: 'replica-manager.io/v1',
          kind: 'ReplicatedPostgres',
          name: 'orders',
          uid: '6f1c8a52-0d5e-4f0e-9a55-3b8f5f1d2c10',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      topology: 'orders',
      managedBy: 'replica-manager',
    })),
  );
});

test('objects are applied so that a pod finds its account, its Secrets and its settings', () => {
  const kinds = [...new Set(objects.map(({ kind }) => kind))];

  expect(kinds).toEqual([
    'ServiceAccount',
    'Role',
    'RoleBinding',
    'Secret',
    'ConfigMap',
    'Service',
    'PodDisruptionBudget',
    'StatefulSet',
    'Deployment',
  ]);
});

test('no object is there twice', () => {
  const keys = objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`);

  expect(keys).toEqual([...new Set(keys)]);
});

test('secrets appear in Secrets alone, neither as text nor as base64', () => {
  const values = JSON.stringify(exampleCredentials).match(/[a-z]+-(password|key)/g) ?? [];
  const elsewhere = JSON.stringify(objects.filter(({ kind }) => kind !== 'Secret'));

  const leaked = values.filter(
    (value) => elsewhere.includes(`"${value}"`) || elsewhere.includes(Buffer.from(value).toString('base64')),
  );

  expect(values).toHaveLength(7);
  expect(leaked).toEqual([]);
});

test('the key of the authority is in one Secret, which no pod mounts', () => {
  const key = Buffer.from(exampleCredentials.authority.key).toString('base64');
  const holders = objects.filter((object) => JSON.stringify(object).includes(key));
  const mounting = podSpecs().filter(([, spec]) => JSON.stringify(spec).includes('"orders-ca"'));

  expect(holders.map(({ metadata }) => metadata.name)).toEqual(['orders-ca']);
  expect(mounting).toEqual([]);
});

test('every container gives up what the Pod Security Standard restricted asks for', () => {
  const containers = podSpecs().flatMap(([pod, spec]) =>
    [...spec.initContainers, ...spec.containers].map((container) => ({ pod, container })),
  );

  expect(containers).toHaveLength(10);
  for (const { pod, container } of containers) {
    expect(container.securityContext, `${pod} ${container.name}`).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(container.resources?.requests, `${pod} ${container.name}`).toBeDefined();
  }
});

test('every pod runs as user 999 under the default seccomp profile', () => {
  expect(
    podSpecs().map(([, { securityContext, enableServiceLinks }]) => ({
      securityContext,
      enableServiceLinks,
    })),
  ).toEqual(
    podSpecs().map(() => ({
      securityContext: {
        runAsUser: 999,
        runAsGroup: 999,
        runAsNonRoot: true,
        fsGroup: 999,
        fsGroupChangePolicy: 'OnRootMismatch',
        seccompProfile: { type: 'RuntimeDefault' },
      },
      enableServiceLinks: false,
    })),
  );
});

test('names and label values stay legal for the longest topology name', () => {
  const long = desiredObjects(exampleTopology({ name: longestName, spec: { instances: 15 } }), {
    ...exampleOptions,
    ordinals: [99],
  });

  const tooLong = long.flatMap(({ metadata }) =>
    [metadata.name, `${metadata.name}-0`, ...Object.values(metadata.labels)].filter((it) => it.length > 63),
  );

  expect(tooLong).toEqual([]);
});

test('a single instance has no disruption budget, or its node could never be drained', () => {
  const single = desiredObjects(
    exampleTopology({
      spec: { instances: 1, pooler: { readWrite: { instances: 1 }, readOnly: { instances: 0 } } },
    }),
    { ...exampleOptions, ordinals: [1] },
  );

  expect(single.filter(({ kind }) => kind === 'PodDisruptionBudget')).toEqual([]);
});

test('without poolers the application is sent to the instances themselves', () => {
  const secret = desiredObjects(
    exampleTopology({ spec: { pooler: { readWrite: { instances: 0 }, readOnly: { instances: 0 } } } }),
    exampleOptions,
  ).find(({ metadata }) => metadata.name === 'orders-app');
  const data = (secret as unknown as { data: Record<string, string> }).data;
  const text = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString();

  expect([text('host'), text('port'), text('ro-host'), text('ro-uri')]).toEqual([
    'orders-primary.shop.svc',
    '5432',
    'orders-replicas.shop.svc',
    'postgresql://app:application-password@orders-replicas.shop.svc:5432/app?sslmode=require',
  ]);
});

test('agents may touch the pods of instances that exist, gaps and all', () => {
  const { rules } = instanceRole(exampleTopology(), [1, 3]);

  expect(rules[0]?.resourceNames).toEqual(['orders-1-0', 'orders-3-0']);
});

test('agents are told the instances in the order of their numbers', () => {
  const { data } = configConfigMap(exampleTopology({ name: 'a' }), {
    systemIdentifier: null,
    ordinals: [10, 9, 2],
  });

  expect(JSON.parse(data['topology.json'] ?? '')).toMatchObject({
    systemIdentifier: null,
    replication: { durability: 'quorum', maxSlotWalKeepSizeBytes: 8 * 2 ** 30 },
    instances: [
      { name: 'a-2', host: 'a-2-0.a-instances.shop.svc' },
      { name: 'a-9', host: 'a-9-0.a-instances.shop.svc' },
      { name: 'a-10', host: 'a-10-0.a-instances.shop.svc' },
    ],
  });
});

test('a StatefulSet keeps the claim size it was made with, the claim itself grows', () => {
  const grown = exampleTopology({ spec: { storage: { size: '20Gi' } } });
  const sizes = desiredObjects(grown, {
    ...exampleOptions,
    claimTemplates: new Map([[1, { size: '10Gi', labels: {} }]]),
  })
    .filter(({ kind }) => kind === 'StatefulSet')
    .map((object) => /"storage":"([^"]+)"/.exec(JSON.stringify(object))?.[1]);

  expect(sizes).toEqual(['10Gi', '20Gi', '20Gi']);
});
