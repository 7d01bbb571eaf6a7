import { expect, test } from 'vitest';
import { annotations, apiVersion, fieldManager, kind, plural } from '../../src/api/names.ts';
import { appliedAnnotation } from '../../src/kube/appliedHash.ts';
import { defaultFieldManager } from '../../src/kube/client.ts';
import { pathOf, type Resource, resourceOf, resources } from '../../src/kube/resources.ts';

test.each<[Resource, object, string]>([
  [resources.Pod, {}, '/api/v1/pods'],
  [resources.Pod, { namespace: 'shop' }, '/api/v1/namespaces/shop/pods'],
  [resources.Pod, { namespace: 'shop', name: 'a' }, '/api/v1/namespaces/shop/pods/a'],
  [resources.Node, { name: 'n' }, '/api/v1/nodes/n'],
  [
    resources.StatefulSet,
    { namespace: 'shop', name: 'a', subresource: 'status' },
    '/apis/apps/v1/namespaces/shop/statefulsets/a/status',
  ],
  [
    resources.Role,
    { namespace: 'shop', name: 'system:a/B' },
    '/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/system%3Aa%2FB',
  ],
])('$0.plural of $1', (resource, place, path) => {
  expect(pathOf(resource, place)).toBe(path);
});

test('one object of a namespaced kind without namespace is a mistake', () => {
  expect(() => pathOf(resources.Pod, { name: 'a' })).toThrow('Pod a needs a namespace');
});

test('every kind is found by what its objects say of themselves', () => {
  for (const resource of Object.values(resources)) expect(resourceOf(resource)).toBe(resource);
});

test('an unknown kind is refused with what to do', () => {
  expect(() => resourceOf({ apiVersion: 'v1', kind: 'Gadget' })).toThrow(
    'no path is known for v1 Gadget: add it to kube/resources.ts',
  );
});

test('the names that kube/ cannot import are those of the API', () => {
  expect(resources.ReplicatedPostgres).toEqual({ apiVersion, kind, plural, namespaced: true });
  expect(appliedAnnotation).toBe(annotations.applied);
  expect(defaultFieldManager).toBe(fieldManager);
});
