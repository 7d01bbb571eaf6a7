// What we know of the cluster, by key. In: lists and watch events from a reflector. Out: objects, and every change of them.
//
// Invariant: one key is one object of one uid. An object that was deleted and made again is told as deleted and
// added, also when nobody saw the moment in between, because what was true of the old one is not true of the new one.
// Invariant: an object never goes back to an older version of itself, nor comes back after its end, whatever arrives late
// or twice: the watch and the answers to our own writes overtake each other. Only a complete list may go back in time, as
// after a restored backup.

import type { Log } from '../lib/log.ts';
import type { LiveObject, ObjectRef } from './kubeObject.ts';
import { compareResourceVersions } from './resourceVersion.ts';

/** `namespace/name`, or `name` of a cluster-wide object. */
export type ObjectKey = string;

export function objectKey(ref: ObjectRef): ObjectKey {
  return ref.namespace === undefined ? ref.name : `${ref.namespace}/${ref.name}`;
}

export function parseObjectKey(key: ObjectKey): ObjectRef {
  const slash = key.indexOf('/');
  if (slash === -1) return { name: key };
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

export type StoreChange<T> =
  | { readonly kind: 'added'; readonly object: T }
  | { readonly kind: 'updated'; readonly object: T; readonly previous: T }
  | { readonly kind: 'deleted'; readonly object: T };

/** Under which values an object is found; none for an object that does not take part in the index. */
export type Indexer<T> = (object: T) => readonly string[];

export interface StoreOptions<T, Index extends string> {
  readonly indexers?: Readonly<Record<Index, Indexer<T>>>;
  /** Makes an object smaller before it is kept. `dropManagedFields` unless told. */
  readonly transform?: (object: T) => T;
  readonly log: Log;
}

/** What a reflector feeds. */
export interface Sink<T> {
  /** `objects` is all there was in `namespace`, or everywhere when it is undefined, at `resourceVersion`. */
  replace(objects: readonly T[], namespace: string | undefined, resourceVersion: string): void;
  upsert(object: T): void;
  remove(object: T): void;
}

/** Ends that are remembered, so that an answer that was under way does not undo them. Far more than can be under way. */
const maxEnds = 1000;

export class Store<T extends LiveObject, Index extends string = never> implements Sink<T> {
  readonly #objects = new Map<ObjectKey, T>();
  /** By namespace: up to this version a list has shown everything. */
  readonly #listedAt = new Map<string | undefined, string>();
  /** By uid: the version with which an object has ended, or left the selection. */
  readonly #endedAt = new Map<string, string>();
  readonly #indexes = new Map<Index, { indexer: Indexer<T>; keys: Map<string, Set<ObjectKey>> }>();
  readonly #listeners = new Set<(change: StoreChange<T>) => void>();
  readonly #transform: (object: T) => T;
  readonly #log: Log;

  constructor(options: StoreOptions<T, Index>) {
    this.#transform = options.transform ?? dropManagedFields;
    this.#log = options.log;
    for (const [index, indexer] of Object.entries(options.indexers ?? {}) as [Index, Indexer<T>][]) {
      this.#indexes.set(index, { indexer, keys: new Map() });
    }
  }

  get size(): number {
    return this.#objects.size;
  }

  get(ref: ObjectRef): T | undefined {
    return this.#objects.get(objectKey(ref));
  }

  /** In no particular order. */
  list(): T[] {
    return [...this.#objects.values()];
  }

  byIndex(index: Index, value: string): T[] {
    const keys = this.#indexes.get(index)?.keys.get(value) ?? [];
    return [...keys].flatMap((key) => this.#objects.get(key) ?? []);
  }

  /**
   * Tells every change from now on, in order, after the store holds it. Returns a function that ends it.
   *
   * A listener that throws is logged and does not keep the others, or the next change, from being told.
   */
  onChange(listener: (change: StoreChange<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  replace(objects: readonly T[], namespace: string | undefined, resourceVersion: string): void {
    this.#listedAt.set(namespace, resourceVersion);
    const listed = new Set(objects.map((object) => objectKey(object.metadata)));
    for (const [key, object] of this.#objects) {
      const isInScope = namespace === undefined || object.metadata.namespace === namespace;
      if (isInScope && !listed.has(key)) this.#delete(key, object);
    }
    for (const object of objects) {
      const known = this.get(object.metadata);
      if (known === undefined || !isSameVersion(known, object)) this.#put(object, known);
    }
  }

  upsert(object: T): void {
    const { uid, namespace } = object.metadata;
    const known = this.get(object.metadata);
    const isOld =
      known === undefined
        ? isNotAfter(object, this.#listedAt.get(namespace) ?? this.#listedAt.get(undefined))
        : isNotAfter(object, known.metadata.resourceVersion);
    if (isOld || isNotAfter(object, this.#endedAt.get(uid))) return;
    this.#put(object, known);
  }

  remove(object: T): void {
    this.#endedAt.set(object.metadata.uid, object.metadata.resourceVersion);
    const [oldest] = this.#endedAt.keys();
    if (this.#endedAt.size > maxEnds && oldest !== undefined) this.#endedAt.delete(oldest);
    const key = objectKey(object.metadata);
    const known = this.#objects.get(key);
    // An end of another object of the same name is old news: the new one is known already.
    if (known === undefined || known.metadata.uid !== object.metadata.uid) return;
    this.#delete(key, this.#transform(object));
  }

  #put(incoming: T, known: T | undefined): void {
    const object = this.#transform(incoming);
    const key = objectKey(object.metadata);
    if (known !== undefined && known.metadata.uid !== object.metadata.uid) {
      this.#delete(key, known);
      this.#set(key, object);
      this.#tell({ kind: 'added', object });
      return;
    }
    if (known !== undefined) this.#unindex(key, known);
    this.#set(key, object);
    this.#tell(
      known === undefined ? { kind: 'added', object } : { kind: 'updated', object, previous: known },
    );
  }

  #set(key: ObjectKey, object: T): void {
    this.#objects.set(key, object);
    for (const { indexer, keys } of this.#indexes.values()) {
      for (const value of indexer(object)) {
        const found = keys.get(value);
        if (found === undefined) keys.set(value, new Set([key]));
        else found.add(key);
      }
    }
  }

  /** `last` is the final state of the object, which the store may not have seen. */
  #delete(key: ObjectKey, last: T): void {
    const known = this.#objects.get(key);
    if (known !== undefined) this.#unindex(key, known);
    this.#objects.delete(key);
    this.#tell({ kind: 'deleted', object: last });
  }

  #unindex(key: ObjectKey, object: T): void {
    for (const { indexer, keys } of this.#indexes.values()) {
      for (const value of indexer(object)) {
        const found = keys.get(value);
        found?.delete(key);
        if (found?.size === 0) keys.delete(value);
      }
    }
  }

  #tell(change: StoreChange<T>): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        const { kind, object } = change;
        this.#log.error(
          { err: error, change: kind, key: objectKey(object.metadata) },
          'a listener of the store failed',
        );
      }
    }
  }
}

/** The largest part of most objects, and of no use to anybody who only reads. */
export function dropManagedFields<T extends LiveObject>(object: T): T {
  if (object.metadata.managedFields === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** By the uid of each owner. */
export const byOwnerUid: Indexer<LiveObject> = (object) =>
  (object.metadata.ownerReferences ?? []).map((owner) => owner.uid);

/** By the value of one label, within its namespace: `namespace/value`. */
export function byLabel(label: string): Indexer<LiveObject> {
  return ({ metadata }) => {
    const value = metadata.labels?.[label];
    if (value === undefined) return [];
    return [metadata.namespace === undefined ? value : `${metadata.namespace}/${value}`];
  };
}

function isSameVersion(left: LiveObject, right: LiveObject): boolean {
  return (
    left.metadata.uid === right.metadata.uid &&
    left.metadata.resourceVersion === right.metadata.resourceVersion
  );
}

/** False when the versions cannot be compared: then what comes last counts. */
function isNotAfter(object: LiveObject, resourceVersion: string | undefined): boolean {
  if (resourceVersion === undefined) return false;
  const order = compareResourceVersions(object.metadata.resourceVersion, resourceVersion);
  return order !== undefined && order <= 0;
}
