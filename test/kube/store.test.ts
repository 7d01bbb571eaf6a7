import { expect, test } from 'vitest';
import type { LiveObject } from '../../src/kube/kubeObject.ts';
import {
  byLabel,
  byOwnerUid,
  objectKey,
  parseObjectKey,
  Store,
  type StoreChange,
} from '../../src/kube/store.ts';
import { silentLog } from '../../src/lib/log.ts';
import { pod, recordingLog } from './kubeFixtures.ts';

/** `added a@1`, one line per change. */
function told(store: Store<LiveObject, string>): string[] {
  const lines: string[] = [];
  store.onChange((change: StoreChange<LiveObject>) => {
    const { name, uid, resourceVersion } = change.object.metadata;
    lines.push(`${change.kind} ${name}@${resourceVersion}${uid === `${name}-uid` ? '' : ` (${uid})`}`);
  });
  return lines;
}

const newStore = () => new Store<LiveObject>({ log: silentLog });

test('what is listed, changed and deleted is told in order, after the store holds it', () => {
  const store = newStore();
  const lines = told(store);
  const seen: unknown[] = [];
  store.onChange(({ object }) => seen.push(store.get(object.metadata)?.metadata.resourceVersion));

  store.replace([pod('a', 1), pod('b', 2)], undefined, '10');
  store.upsert(pod('a', 11));
  store.remove(pod('b', 12));

  expect(lines).toEqual(['added a@1', 'added b@2', 'updated a@11', 'deleted b@12']);
  expect(seen).toEqual(['1', '2', '11', undefined]);
  expect(store.list().map(({ metadata }) => metadata.name)).toEqual(['a']);
});

test('an update is told with the object as it was before', () => {
  const store = newStore();
  const before = pod('a', 1);
  const after = pod('a', 2);
  store.upsert(before);
  const changes: StoreChange<LiveObject>[] = [];
  store.onChange((change) => changes.push(change));

  store.upsert(after);

  expect(changes).toEqual([{ kind: 'updated', object: after, previous: before }]);
});

test('what a later list no longer holds is told as deleted, and what it holds unchanged is not told', () => {
  const store = newStore();
  store.replace([pod('gone', 1), pod('kept', 2), pod('changed', 3)], undefined, '10');
  const lines = told(store);

  store.replace([pod('kept', 2), pod('changed', 5), pod('new', 6)], undefined, '10');

  expect(lines).toEqual(['deleted gone@1', 'updated changed@5', 'added new@6']);
});

test('a list of one namespace says nothing about the others', () => {
  const store = newStore();
  store.upsert(pod('other', 1, { namespace: 'bank' }));
  store.upsert(pod('mine', 2));
  const lines = told(store);

  store.replace([], 'shop', '10');

  expect(lines).toEqual(['deleted mine@2']);
});

test.each([
  ['a watch', (store: Store<LiveObject>) => store.upsert(pod('a', 9, { uid: 'second' }))],
  ['a list', (store: Store<LiveObject>) => store.replace([pod('a', 9, { uid: 'second' })], undefined, '10')],
])(
  'an object made again under the same name, as %s shows it, is told as deleted and added',
  (_name, show) => {
    const store = newStore();
    store.upsert(pod('a', 1, { uid: 'first' }));
    const lines = told(store);

    show(store);

    expect(lines).toEqual(['deleted a@1 (first)', 'added a@9 (second)']);
  },
);

test('an event that comes twice or too late changes nothing', () => {
  const store = newStore();
  store.upsert(pod('a', 10));
  const lines = told(store);

  store.upsert(pod('a', 10));
  store.upsert(pod('a', 9));

  expect(lines).toEqual([]);
  expect(store.get({ namespace: 'shop', name: 'a' })?.metadata.resourceVersion).toBe('10');
});

test('the end of an earlier object does not take away the later one of the same name', () => {
  const store = newStore();
  store.upsert(pod('a', 5, { uid: 'second' }));
  const lines = told(store);

  store.remove(pod('a', 4, { uid: 'first' }));
  store.upsert(pod('a', 3, { uid: 'first' }));

  expect(lines).toEqual([]);
});

test('an answer to a write that arrives after the end of its object does not bring it back', () => {
  const store = newStore();
  store.upsert(pod('a', 5));
  const lines = told(store);

  store.remove(pod('a', 7));
  store.upsert(pod('a', 6));

  expect(lines).toEqual(['deleted a@7']);
});

test('nor does it bring back what a list since then no longer showed', () => {
  const store = newStore();
  store.replace([], undefined, '10');
  store.replace([], 'bank', '20');
  const lines = told(store);

  store.upsert(pod('a', 9));
  store.upsert(pod('b', 15, { namespace: 'bank' }));
  store.upsert(pod('a', 11));
  store.upsert(pod('b', 21, { namespace: 'bank' }));

  expect(lines).toEqual(['added a@11', 'added b@21']);
});

test('an object that left the selection and enters it again is told as added', () => {
  const store = newStore();
  store.upsert(pod('a', 5));
  const lines = told(store);

  store.remove(pod('a', 7));
  store.upsert(pod('a', 8));

  expect(lines).toEqual(['deleted a@7', 'added a@8']);
});

test('a list may go back in time, as after a restored backup', () => {
  const store = newStore();
  store.upsert(pod('a', 100));
  const lines = told(store);

  store.replace([pod('a', 7)], undefined, '10');

  expect(lines).toEqual(['updated a@7']);
});

test('versions that are no numbers are taken as they come', () => {
  const store = newStore();
  store.upsert(pod('a', 1, { resourceVersion: 'xyz' }));
  const lines = told(store);

  store.upsert(pod('a', 1, { resourceVersion: 'abc' }));

  expect(lines).toEqual(['updated a@abc']);
});

test('objects are found by owner and by label, also after these have changed', () => {
  const store = new Store<LiveObject, 'owner' | 'topology'>({
    log: silentLog,
    indexers: { owner: byOwnerUid, topology: byLabel('topology') },
  });
  const owned = (uid: string) => ({ ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'x', uid }] });
  const names = (objects: LiveObject[]) => objects.map(({ metadata }) => metadata.name);

  store.replace(
    [
      pod('a', 1, { ...owned('one'), labels: { topology: 'orders' } }),
      pod('b', 2, { ...owned('two'), labels: { topology: 'orders' } }),
      pod('c', 3),
    ],
    undefined,
    '10',
  );
  expect(names(store.byIndex('owner', 'one'))).toEqual(['a']);
  expect(names(store.byIndex('topology', 'shop/orders'))).toEqual(['a', 'b']);

  store.upsert(pod('a', 4, { ...owned('two'), labels: {} }));
  store.remove(pod('b', 5));

  expect(names(store.byIndex('owner', 'one'))).toEqual([]);
  expect(names(store.byIndex('owner', 'two'))).toEqual(['a']);
  expect(names(store.byIndex('topology', 'shop/orders'))).toEqual([]);
});

test('managed fields are not kept', () => {
  const store = newStore();

  store.upsert(pod('a', 1, { managedFields: [{ manager: 'kubectl' }] }));

  expect(store.list()).toEqual([pod('a', 1)]);
});

test('a listener that fails is logged, and the others are told all the same', () => {
  const log = recordingLog();
  const store = new Store<LiveObject>({ log });
  store.onChange(() => {
    throw new Error('broken listener');
  });
  const lines = told(store);

  store.upsert(pod('a', 1));
  store.upsert(pod('a', 2));

  expect(lines).toEqual(['added a@1', 'updated a@2']);
  expect(log.lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
    'error: a listener of the store failed',
    'error: a listener of the store failed',
  ]);
});

test('a listener that has ended is told nothing more', () => {
  const store = newStore();
  const lines: string[] = [];
  const end = store.onChange(({ object }) => lines.push(object.metadata.name));

  store.upsert(pod('a', 1));
  end();
  store.upsert(pod('b', 2));

  expect(lines).toEqual(['a']);
});

test.each([{ namespace: 'shop', name: 'a' }, { name: 'node-1' }])('a key names its object: %j', (ref) => {
  expect(parseObjectKey(objectKey(ref))).toEqual(ref);
});
