import { expect, test } from 'vitest';
import type { KubeObject } from '../../src/kube/kubeObject.ts';
import { findChangedLists, findSurplus } from '../../src/kube/surplus.ts';

const service = (ports: object[], more: object = {}): KubeObject & { spec: object } => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'orders', finalizers: ['ours'] },
  spec: { ports, ...more },
});

const pathsOf = (...[desired, live]: Parameters<typeof findSurplus>) =>
  findSurplus(desired, live).map(({ path }) => path);

test('elements that nobody wanted are found wherever they stand, the last one first', () => {
  const wanted = service([
    { name: 'a', port: 1 },
    { name: 'b', port: 2 },
  ]);
  const live = service([
    { name: 'x', port: 9, protocol: 'TCP' },
    { name: 'a', port: 1, protocol: 'TCP' },
    { name: 'y', port: 8, protocol: 'TCP' },
    { name: 'b', port: 2, protocol: 'TCP' },
  ]);

  expect(pathsOf(wanted, live)).toEqual(['/spec/ports/2', '/spec/ports/0']);
});

test('a list inside an element that has moved is found by the name of the element', () => {
  const container = (name: string, args: string[]) => ({ name, args });
  const wanted = service([], { containers: [container('a', ['1']), container('b', ['2'])] });
  const live = service([], {
    containers: [container('b', ['2', 'extra']), container('x', []), container('a', ['1'])],
  });

  expect(pathsOf(wanted, live)).toEqual(['/spec/containers/0/args/1', '/spec/containers/1']);
});

test('elements without a name are found by what is in them, and twins are told apart by their number', () => {
  expect(pathsOf(service([{ port: 1 }]), service([{ port: 1, protocol: 'TCP' }, { port: 1 }]))).toEqual([
    '/spec/ports/1',
  ]);
});

test.each<[string, KubeObject]>([
  ['a changed element of the same number', service([{ port: 2 }])],
  ['a missing element', service([])],
  [
    'finalizers of others',
    { ...service([{ port: 1 }]), metadata: { name: 'orders', finalizers: ['ours', 'theirs'] } },
  ],
  ['a list that we do not name', service([{ port: 1 }], { externalIPs: ['192.0.2.1'] })],
])('%s is left to apply', (_name, live) => {
  expect(pathsOf(service([{ port: 1 }]), live)).toEqual([]);
});

test('keys with slashes are escaped', () => {
  const map = (list: string[]) => service([], { 'a/b~c': list });

  expect(pathsOf(map(['1']), map(['1', '2']))).toEqual(['/spec/a~1b~0c/1']);
});

test('an element comes with what it is, so that nothing else is removed in its place', () => {
  const extra = { port: 2, protocol: 'TCP' };

  expect(findSurplus(service([{ port: 1 }]), service([{ port: 1 }, extra]))).toEqual([
    { path: '/spec/ports/1', element: extra },
  ]);
});

test('lists that differ are found with what they are and should be, others are not', () => {
  const wanted = service([{ port: 1 }], { args: ['a'], same: [{ x: 1 }], deep: { list: [[1]] } });
  const live = service([{ port: 2 }], { args: ['a', 'b'], same: [{ x: 1, y: 2 }], deep: { list: [[2]] } });

  expect(findChangedLists(wanted, live)).toEqual([
    { path: '/spec/ports', live: [{ port: 2 }], desired: [{ port: 1 }] },
    { path: '/spec/args', live: ['a', 'b'], desired: ['a'] },
    { path: '/spec/deep/list', live: [[2]], desired: [[1]] },
  ]);
});
