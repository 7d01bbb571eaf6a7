// Metadata that every object of a topology carries.
//
// Invariant: whatever the operator makes says whose it is, twice. The owner reference lets Kubernetes remove it
// with its topology, the label lets people and the operator find it. Volumes are the exception, on purpose.
import { apiVersion, kind, labels } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';

/** Metadata of an object that belongs to a topology. */
export interface OwnedMeta {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences: readonly [
    {
      readonly apiVersion: string;
      readonly kind: string;
      readonly name: string;
      readonly uid: string;
      readonly controller: true;
      readonly blockOwnerDeletion: true;
    },
  ];
}

/** An object that belongs to a topology, ready to be applied. */
export interface TopologyObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: OwnedMeta;
}

/** What an object is for, the value of `app.kubernetes.io/component`. */
export type Component = 'instance' | 'pooler' | 'routing' | 'access';

/** Labels of everything that belongs to a topology. */
export function topologyLabels(topology: ReplicatedPostgres, component: Component): Record<string, string> {
  return {
    [labels.managedBy]: 'replica-manager',
    [labels.topology]: topology.metadata.name,
    [labels.component]: component,
  };
}

export function ownedBy(
  topology: ReplicatedPostgres,
  name: string,
  component: Component,
  extraLabels: Readonly<Record<string, string>> = {},
): OwnedMeta {
  return {
    name,
    namespace: topology.metadata.namespace,
    labels: { ...topologyLabels(topology, component), ...extraLabels },
    ownerReferences: [
      {
        apiVersion,
        kind,
        name: topology.metadata.name,
        uid: topology.metadata.uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  };
}
