// What the operator knows of the cluster: one store for each kind, kept equal to it by a reflector.
//
// Invariant: every object of a topology carries the topology's label, so any change of any of them leads to its key;
// one that changes its label leads to both. What is left of an earlier topology of the same name is not of this one.

import { labels } from '../api/names.ts';
import type { LiveObject } from '../kube/kubeObject.ts';
import { Reflector, type ReflectorDeps } from '../kube/reflector.ts';
import { type Resource, resources } from '../kube/resources.ts';
import { byLabel, objectKey, parseObjectKey, Store } from '../kube/store.ts';
import { ownedByAnother } from '../plan/ownedByAnother.ts';

const ownedKinds = [
  'StatefulSet',
  'Pod',
  'Service',
  'Deployment',
  'Secret',
  'ConfigMap',
  'ServiceAccount',
  'Role',
  'RoleBinding',
  'PodDisruptionBudget',
  'Lease',
  'PersistentVolumeClaim',
] as const;

export type OwnedKind = (typeof ownedKinds)[number];
type ObjectOf<Kind extends keyof typeof resources> = NonNullable<(typeof resources)[Kind]['shape']>;

/** Told for every change: the key of the topology and what has changed. */
export type ChangeListener = (
  key: string,
  kind: OwnedKind | 'ReplicatedPostgres',
  now: LiveObject | undefined,
  before: LiveObject | undefined,
) => void;

export class Watches {
  readonly topologies: Store<ObjectOf<'ReplicatedPostgres'>>;
  readonly #owned: ReadonlyMap<OwnedKind, Store<LiveObject, 'topology'>>;
  readonly #reflectors: readonly Reflector<LiveObject>[];

  /** @param namespaces those to watch; all when undefined */
  constructor(deps: ReflectorDeps, namespaces: readonly string[] | undefined) {
    const where = namespaces === undefined ? {} : { namespaces };
    const { log } = deps;
    this.topologies = new Store({ log });
    this.#owned = new Map(
      ownedKinds.map((kind) => [kind, new Store({ log, indexers: { topology: byLabel(labels.topology) } })]),
    );
    const ownedReflectors = [...this.#owned].map(([kind, store]) => {
      const resource: Resource = resources[kind];
      return new Reflector(deps, { resource, ...where, labelSelector: labels.topology }, store);
    });
    const resource = resources.ReplicatedPostgres;
    this.#reflectors = [new Reflector(deps, { resource, ...where }, this.topologies), ...ownedReflectors];
  }

  /** Resolves when every store holds all there is. */
  async synced(): Promise<void> {
    await Promise.all(this.#reflectors.map((it) => it.synced));
  }

  get health() {
    return this.#reflectors.flatMap((it) => it.health);
  }

  /** Runs until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#reflectors.map((it) => it.run(signal)));
  }

  /** All objects of one kind that belong to the topology with this key; to any of that name once it is gone. */
  of<Kind extends OwnedKind>(kind: Kind, key: string): readonly ObjectOf<Kind>[] {
    const all = this.#labelled(kind, key);
    const uid = this.topologies.get(parseObjectKey(key))?.metadata.uid;
    if (uid === undefined) return all;
    const left = kind === 'Pod' ? this.#setsOfAnother(key, uid) : [];
    return all.filter(
      ({ metadata }) =>
        !ownedByAnother(metadata, uid) && !metadata.ownerReferences?.some((it) => left.includes(it.uid)),
    );
  }

  /** The object of a topology with this name. */
  named<Kind extends OwnedKind>(kind: Kind, key: string, name: string): ObjectOf<Kind> | undefined {
    return this.of(kind, key).find((it) => it.metadata.name === name);
  }

  /** Everything that carries the name of the topology, whichever of that name it belongs to. */
  allOf(key: string): readonly LiveObject[] {
    return ownedKinds.flatMap((kind) => this.#labelled(kind, key));
  }

  #labelled<Kind extends OwnedKind>(kind: Kind, key: string): readonly ObjectOf<Kind>[] {
    // The map ties each kind to the store of its shape; the compiler cannot see that.
    return (this.#owned.get(kind)?.byIndex('topology', key) ?? []) as readonly ObjectOf<Kind>[];
  }

  /** Pods name their StatefulSet as their owner, so it takes that one to tell whose they are. */
  #setsOfAnother(key: string, uid: string): readonly string[] {
    const sets = this.#labelled('StatefulSet', key);
    return sets.filter(({ metadata }) => ownedByAnother(metadata, uid)).map((it) => it.metadata.uid);
  }

  /** Takes in what a write has answered, so that the next cycle does not decide from before its own writes. */
  note(object: LiveObject): void {
    if (object.kind === 'ReplicatedPostgres') this.topologies.upsert(object);
    else this.#owned.get(object.kind as OwnedKind)?.upsert(object);
  }

  onChange(listener: ChangeListener): void {
    this.topologies.onChange((change) => {
      const now = change.kind === 'deleted' ? undefined : change.object;
      const before = change.kind === 'updated' ? change.previous : undefined;
      listener(objectKey(change.object.metadata), 'ReplicatedPostgres', now, before);
    });
    for (const [kind, store] of this.#owned) {
      store.onChange((change) => {
        const key = topologyKey(change.object);
        const now = change.kind === 'deleted' ? undefined : change.object;
        const before = change.kind === 'updated' ? change.previous : undefined;
        const keyBefore = before === undefined ? key : topologyKey(before);
        // For the topology that it has left it is gone, for the one that it comes to it is new.
        if (keyBefore !== key && keyBefore !== undefined) listener(keyBefore, kind, undefined, before);
        if (key !== undefined) listener(key, kind, now, keyBefore === key ? before : undefined);
      });
    }
  }
}

function topologyKey({ metadata }: LiveObject): string | undefined {
  const name = metadata.labels?.[labels.topology];
  if (name === undefined) return undefined;
  return objectKey({
    name,
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
  });
}
