// The operator has the rights that it uses, and no others. The API server's audit log says what it used.
import { beforeAll, expect, test } from 'vitest';
import { type AuditEvent, auditLog } from '../fixtures/auditLog.ts';
import { eventually, getObject, kubectl, listObjects } from '../fixtures/kubectl.ts';
import { namespace, operatorNamespace, readTopology, readyTopology } from '../fixtures/topology.ts';

interface RoleObject {
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

/** Rights that a run may well not use, and why the operator has them nevertheless. */
const notAlwaysUsed: Readonly<Record<string, string>> = {
  'replica-manager.io/replicatedpostgreses/finalizers update':
    'asked for by clusters that check owner references; never a request of its own',
  'apps/deployments delete': 'of an older version, when a newer one does not want it',
  '/services delete': 'of an older version, when a newer one does not want it',
  '/configmaps delete': 'of an older version, when a newer one does not want it',
  '/secrets get': 'only when one is there that no watch has shown',
  '/secrets patch': 'when a certificate is renewed, or a Secret was edited by hand',
  'events.k8s.io/events patch': 'only when the same event happens again',
};

const rightsOf = ({ rules }: RoleObject): readonly string[] =>
  rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)),
    ),
  );

/** The right that a request needs. An apply that makes an object needs the right to create as well. */
function neededRights({ verb, objectRef, responseStatus }: AuditEvent): readonly string[] {
  if (objectRef === undefined) return [];
  const { apiGroup = '', resource, subresource } = objectRef;
  const what = `${apiGroup}/${subresource === undefined ? resource : `${resource}/${subresource}`}`;
  const isMaking = verb === 'patch' && responseStatus?.code === 201;
  return isMaking ? [`${what} patch`, `${what} create`] : [`${what} ${verb}`];
}

/** A watch is written down when it begins as well as when it ends. */
const operatorRequests = () => auditLog(operatorNamespace, 'replica-manager');

const applyTopology = (spec: object) =>
  kubectl(['apply', '-f', '-'], {
    input: JSON.stringify({
      apiVersion: 'replica-manager.io/v1',
      kind: 'ReplicatedPostgres',
      metadata: { name: 'rights', namespace },
      spec: { storage: { size: '1Gi', onDelete: 'Delete' }, ...spec },
    }),
  });

// One short life of a topology: made, scaled down, deleted with its volumes.
beforeAll(async () => {
  const pooler = { readWrite: { instances: 1 }, readOnly: { instances: 0 } };
  await applyTopology({ instances: 2, pooler });
  await readyTopology('rights');
  await applyTopology({ instances: 1, pooler });
  await eventually(
    'the second instance and its volume are gone',
    120_000,
    async () => ({
      set: await getObject(namespace, 'statefulset', 'rights-2'),
      claim: await getObject(namespace, 'pvc', 'data-rights-2-0'),
      status: (await readTopology('rights'))?.status?.phase,
    }),
    ({ set, claim, status }) => set === undefined && claim === undefined && status === 'Ready',
  );
});

test('nothing that the operator asked for was forbidden to it', () => {
  const requests = operatorRequests();
  const forbidden = requests
    .filter(({ annotations }) => annotations?.['authorization.k8s.io/decision'] === 'forbid')
    .map((request) => `${neededRights(request).join(' ')} ${request.requestURI}`);

  expect(requests.length).toBeGreaterThan(50);
  expect([...new Set(forbidden)]).toEqual([]);
});

test('every right of the operator is used, given to an agent, or has a reason', async () => {
  const selector = 'app.kubernetes.io/name=replica-manager';
  const own = [
    ...(await listObjects<RoleObject>(operatorNamespace, 'clusterroles', selector)),
    ...(await listObjects<RoleObject>(operatorNamespace, 'roles', selector)),
  ].flatMap(rightsOf);
  const given = (
    await listObjects<RoleObject>(namespace, 'roles', 'replica-manager.io/topology=rights')
  ).flatMap(rightsOf);
  const used = new Set([...operatorRequests().flatMap(neededRights), ...given]);
  const granted = [...new Set(own)];

  expect(granted.length).toBeGreaterThan(30);
  expect(granted.filter((right) => !used.has(right) && !(right in notAlwaysUsed))).toEqual([]);
  expect(Object.keys(notAlwaysUsed).filter((right) => !granted.includes(right))).toEqual([]);
  await kubectl(['-n', namespace, 'delete', 'rpg', 'rights', '--timeout=60s'], { timeoutMs: 70_000 });
});

test('the operator may neither run commands in pods nor delete what holds data or secrets', async () => {
  const may = (verb: string, what: string) =>
    kubectl([
      'auth',
      'can-i',
      verb,
      what,
      '-n',
      namespace,
      `--as=system:serviceaccount:${operatorNamespace}:replica-manager`,
    ]).then(
      (answer) => answer.trim(),
      (error: { stdout?: string }) => error.stdout?.trim(),
    );

  expect(await may('patch', 'pods')).toBe('yes');
  expect(await may('create', 'pods/exec')).toBe('no');
  expect(await may('delete', 'secrets')).toBe('no');
  expect(await may('delete', 'replicatedpostgreses')).toBe('no');
  expect(await may('update', 'nodes')).toBe('no');
});
