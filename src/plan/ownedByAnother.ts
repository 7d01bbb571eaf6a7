import type { Manifest } from './observed.ts';

/**
 * Whether an object belongs to another ReplicatedPostgres of the same name: one that was deleted, and whose objects
 * Kubernetes is about to remove. What such an object says is not about the topology that exists.
 */
export function ownedByAnother(
  { ownerReferences = [] }: Pick<Manifest['metadata'], 'ownerReferences'>,
  uid: string,
): boolean {
  const topologies = ownerReferences.filter((it) => it.kind === 'ReplicatedPostgres');
  return topologies.length > 0 && !topologies.some((it) => it.uid === uid);
}
