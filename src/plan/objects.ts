// Which objects of a topology are written, and which are removed. In: what should be there and what is there.
//
// Invariant: nothing is written that does not differ from what is there, and nothing is removed that is not owned by this very
// ReplicatedPostgres.

import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import type { EndpointsDocument } from '../endpoints/endpointsDocument.ts';
import type { Action } from './action.ts';
import type { Manifest, Observed } from './observed.ts';
import { ownedByAnother } from './ownedByAnother.ts';

/** Pure functions that the plan is handed, because they live beside it or above it. */
export interface PlanTools {
  /** Every object that should exist. Only asked while `observed.credentials` is not `missing`. */
  readonly desiredObjects: (topology: ReplicatedPostgres, choice: DesiredChoice) => readonly Manifest[];
  /** Whether applying `desired` would change `live`. */
  readonly differs: (live: Manifest, desired: Manifest) => boolean;
}

export interface DesiredChoice {
  readonly ordinals: readonly number[];
  readonly systemIdentifier: string | null;
  readonly endpoints: EndpointsDocument;
}

/** What is made, changed and removed, in this order. */
export function planObjects(
  observed: Observed,
  topology: ReplicatedPostgres,
  choice: DesiredChoice,
  tools: PlanTools,
): readonly Action[] {
  // Pods that start now would mount what is about to be removed. Each removal starts a cycle, the last one gets here.
  if (hasLeftovers(observed, topology)) return [];
  const desired = tools.desiredObjects(topology, choice);
  const live = new Map(observed.live.map((it) => [identity(it), it]));
  const wanted = new Set(desired.map(identity));
  const applied = desired.filter((it) => {
    const present = live.get(identity(it));
    return present === undefined || tools.differs(present, it);
  });
  const surplus = observed.live.filter((it) => !wanted.has(identity(it)) && isOurs(it, topology));
  return [
    ...applied.map((object) => ({ kind: 'applyObject', object }) as const),
    ...surplus.map((object) => ({ kind: 'deleteObject', object }) as const),
  ];
}

/** Whether something is left of an earlier topology of this name, which Kubernetes is about to remove. */
export function hasLeftovers({ live }: Observed, { metadata }: ReplicatedPostgres): boolean {
  return live.some((it) => ownedByAnother(it.metadata, metadata.uid));
}

/** Kinds of which nothing may be left that is not wanted. Secrets, Leases and volumes are never among them. */
const removableKinds: ReadonlySet<string> = new Set([
  'StatefulSet',
  'Deployment',
  'Service',
  'PodDisruptionBudget',
  'ConfigMap',
]);

function isOurs({ kind, metadata }: Manifest, topology: ReplicatedPostgres): boolean {
  const isOwned = metadata.ownerReferences?.some((it) => it.uid === topology.metadata.uid) === true;
  return removableKinds.has(kind) && isOwned && metadata.deletionTimestamp === undefined;
}

const identity = ({ kind, metadata }: Manifest): string => `${kind}/${metadata.name}`;
