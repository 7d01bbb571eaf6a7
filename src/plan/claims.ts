// What happens to volumes, and what is said about instances that come and go.
//
// Invariant: with `onDelete: Retain` no volume is ever deleted, nor owned by anything that can be. With `Delete` a volume is
// owned by the ReplicatedPostgres, so that Kubernetes removes it along with it even while no operator runs. It is not owned
// by its StatefulSet, because that one is made again when somebody deletes it by hand. A volume that an earlier topology of the
// same name has left is nobody's, whatever the spec says.

import { dataClaimName } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { parseBytes } from '../lib/quantity.ts';
import type { Action, TopologyEvent } from './action.ts';
import type { ClaimFacts, Observed } from './observed.ts';
import type { Scale } from './scale.ts';

/** Which claims are marked, change hands, grow, and which go because their instance has gone. */
export function planClaims(
  observed: Observed,
  { metadata, spec }: ReplicatedPostgres,
  scale: Scale,
): readonly Action[] {
  const isOwned = spec.storage.onDelete === 'Delete';
  const staying = new Set(scale.members.map(dataClaimName));
  const mayDelete = isOwned && observed.config?.topology.uid === metadata.uid;
  return observed.claims.flatMap(({ name, uid, ...claim }): Action[] => {
    if (claim.isDeleting) return [];
    if (claim.topologyUid === undefined && claim.isYounger && staying.has(name))
      return [{ kind: 'labelClaim', name, uid }];
    if (claim.topologyUid !== metadata.uid) return [];
    if (mayDelete && isLeft(name, observed, scale)) return [{ kind: 'deleteClaim', name, uid }];
    return [
      ...(claim.isOwned === isOwned ? [] : [{ kind: 'ownClaim', name, uid, isOwned } as const]),
      ...(staying.has(name) && isTooSmall(claim, spec.storage.size)
        ? [{ kind: 'growClaim', name, uid, size: spec.storage.size } as const]
        : []),
    ];
  });
}

/** Whether its instance is neither a member, by what is published and by what is decided now, nor still there. */
function isLeft(name: string, { config, live }: Observed, { members }: Scale): boolean {
  const published = (config?.instances ?? []).map((it) => it.name);
  const existing = live.filter((it) => it.kind === 'StatefulSet').map((it) => it.metadata.name);
  return ![...members, ...published, ...existing].some((it) => dataClaimName(it) === name);
}

/** A size that was refused is not asked for again so soon, another one is. */
function isTooSmall(
  claim: Pick<ClaimFacts, 'isBound' | 'sizeBytes' | 'refusedBytes'>,
  size: string,
): boolean {
  const wantedBytes = parseBytes(size);
  const isSmaller = claim.sizeBytes !== undefined && claim.sizeBytes < wantedBytes;
  return claim.isBound && isSmaller && claim.refusedBytes !== wantedBytes;
}

/** Who came and who went. The very first instances are no news. */
export function planScaleEvents(
  { config, claims }: Observed,
  { metadata, spec }: ReplicatedPostgres,
  scale: Scale,
): readonly TopologyEvent[] {
  if (config === undefined) return [];
  const leaving = new Set(scale.removed.map(dataClaimName));
  const volumes = claims.filter((it) => leaving.has(it.name));
  return [
    ...scale.added.map((it) => normal('Scaled', `${it} is added`)),
    ...scale.removed.map((it) => normal('Scaled', `${it} is removed`)),
    ...volumes.map(({ name, topologyUid }) =>
      spec.storage.onDelete === 'Delete' && topologyUid === metadata.uid
        ? normal('VolumesDeleted', `the volume ${name} is deleted with its instance`)
        : normal('VolumesRetained', `the volume ${name} is kept, delete its claim to free it`),
    ),
  ];
}

const normal = (reason: string, message: string): TopologyEvent => ({ type: 'Normal', reason, message });
