// What happens to volumes, and what is said about instances that come and go.
//
// Invariant: with `onDelete: Retain` no volume is ever deleted, nor owned by anything that can be. With `Delete` a volume is
// owned by the ReplicatedPostgres, so that Kubernetes removes it along with it even while no operator runs. It is not owned
// by its StatefulSet, because that one is made again when somebody deletes it by hand.

import { dataClaimName } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { parseBytes } from '../lib/quantity.ts';
import type { Action, TopologyEvent } from './action.ts';
import type { ClaimFacts, Observed } from './observed.ts';
import type { Scale } from './scale.ts';

/** Which claims change hands, and which go with an instance that is scaled away. */
export function planClaims(
  claims: readonly ClaimFacts[],
  { spec }: ReplicatedPostgres,
  scale: Scale,
): readonly Action[] {
  const isOwned = spec.storage.onDelete === 'Delete';
  const leaving = new Set(scale.removed.map(dataClaimName));
  const staying = new Set(scale.members.map(dataClaimName));
  return claims.flatMap(({ name, uid, ...claim }): Action[] => {
    if (claim.isDeleting) return [];
    if (isOwned && leaving.has(name)) return [{ kind: 'deleteClaim', name, uid }];
    return [
      ...(claim.isOwned === isOwned ? [] : [{ kind: 'ownClaim', name, uid, isOwned } as const]),
      ...(staying.has(name) && isTooSmall(claim, spec.storage.size)
        ? [{ kind: 'growClaim', name, uid, size: spec.storage.size } as const]
        : []),
    ];
  });
}

/** A size that was refused once is not asked for again, until another one is wanted. */
function isTooSmall(claim: Pick<ClaimFacts, 'sizeBytes' | 'refusedBytes'>, size: string): boolean {
  const wantedBytes = parseBytes(size);
  return claim.sizeBytes !== undefined && claim.sizeBytes < wantedBytes && claim.refusedBytes !== wantedBytes;
}

/** Who came and who went. The very first instances are no news. */
export function planScaleEvents(
  { config, claims }: Observed,
  { spec }: ReplicatedPostgres,
  scale: Scale,
): readonly TopologyEvent[] {
  if (config === undefined) return [];
  const leaving = new Set(scale.removed.map(dataClaimName));
  const volumes = claims.filter((it) => leaving.has(it.name)).map((it) => it.name);
  return [
    ...scale.added.map((it) => normal('Scaled', `${it} is added`)),
    ...scale.removed.map((it) => normal('Scaled', `${it} is removed`)),
    ...volumes.map((it) =>
      spec.storage.onDelete === 'Delete'
        ? normal('VolumesDeleted', `the volume ${it} is deleted with its instance`)
        : normal('VolumesRetained', `the volume ${it} is kept, delete its claim to free it`),
    ),
  ];
}

const normal = (reason: string, message: string): TopologyEvent => ({ type: 'Normal', reason, message });
