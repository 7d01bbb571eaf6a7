// What one read must be able to see, as a value, and whether a replica is known to show it.
//
// Invariant: a replica that is not known to show it is refused with a reason. Nothing is assumed about a replica that has not been
// observed, or that follows another timeline than the primary.

import { formatLsn, type Lsn } from '../../postgres/lsn.ts';
import type { LagView, Position, ReplicaView } from './lagView.ts';

/** An earlier read of the same scope, which nothing later may fall behind. */
export interface EarlierRead {
  readonly instance: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** The highest position that it can have shown, on the primary's timeline; null while that is not known. */
  readonly bound: Lsn | null;
}

export interface ReadNeeds {
  /** Why only the primary will do; null when a replica may. */
  readonly primaryOnly: string | null;
  /** Whether it was asked for, rather than being the way out until a replica has caught up. */
  readonly isStrong: boolean;
  /** What a replica must have replayed. */
  readonly floor: Position | null;
  readonly earlierReads: readonly EarlierRead[];
  /** How old the state that it shows may be. */
  readonly maxAgeMs: number | null;
  /** The instance that this scope reads from, to spare it a wait for positions. */
  readonly prefers: string | null;
  /** Whether newer positions could let a replica serve what goes to the primary now. */
  readonly wantsProbes: boolean;
}

/** Any replica that serves reads will do. */
export const noNeeds: ReadNeeds = {
  primaryOnly: null,
  isStrong: false,
  floor: null,
  earlierReads: [],
  maxAgeMs: null,
  prefers: null,
  wantsProbes: false,
};

/** Why a replica may not serve such a read; null when it may. */
export function refuseReplica(name: string, needs: ReadNeeds, view: LagView, nowMs: number): string | null {
  if (needs.primaryOnly !== null) return `may lack what is needed: ${needs.primaryOnly}`;
  if (needs.floor === null && needs.earlierReads.length === 0 && needs.maxAgeMs === null) return null;
  const replica = view.replicas.get(name);
  const others = needs.earlierReads.filter((it) => !isSameRun(it, name, replica));
  if (needs.floor === null && others.length === 0 && needs.maxAgeMs === null) return null;
  if (replica === undefined || replica.replayed === null) return 'has no known position';
  if (view.primary === null) return 'cannot be compared with the primary, whose position is not known';
  const { timeline } = view.primary;
  if (replica.timeline !== timeline) return `follows timeline ${replica.timeline}, not ${timeline}`;
  return (
    refuseByAge(replica, needs.maxAgeMs, nowMs) ??
    refuseByFloor(replica.replayed, timeline, needs.floor) ??
    refuseByEarlierReads(replica.replayed, others)
  );
}

/** What a replica has shown it goes on showing, unless it has been restarted since. An answer may arrive after that. */
function isSameRun(earlier: EarlierRead, name: string, replica: ReplicaView | undefined): boolean {
  return earlier.instance === name && (replica === undefined || replica.lostAtMs < earlier.startedAtMs);
}

function refuseByAge({ freshAsOfMs }: ReplicaView, maxAgeMs: number | null, nowMs: number): string | null {
  if (maxAgeMs === null) return null;
  if (freshAsOfMs === null) return 'has no known lag';
  return nowMs - freshAsOfMs > maxAgeMs ? `may be more than ${maxAgeMs} ms behind` : null;
}

function refuseByFloor(replayed: Lsn, timeline: number, floor: Position | null): string | null {
  if (floor === null) return null;
  if (floor.timeline !== timeline) return `${formatLsn(floor.lsn)} is of timeline ${floor.timeline}`;
  return replayed < floor.lsn ? `has not replayed ${formatLsn(floor.lsn)}` : null;
}

function refuseByEarlierReads(replayed: Lsn, earlierReads: readonly EarlierRead[]): string | null {
  const ahead = earlierReads.find(({ bound }) => bound === null || replayed < bound);
  return ahead === undefined ? null : `is not known to have replayed what ${ahead.instance} has shown`;
}
