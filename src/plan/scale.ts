// Which instances a topology should have. In: how many are wanted, who is a member now. Out: who stays, comes and goes.
//
// Invariant: the primary is never among those that go, and while it is not known who that is, nobody goes. Numbers are given
// away lowest first, so that a topology that grows and shrinks keeps using the same volumes.

import { instanceName, instanceOrdinal } from '../api/names.ts';

export interface ScaleFacts {
  readonly topology: string;
  readonly wanted: number;
  /** Members by the last published configuration, or, when that is lost, the instances that exist. */
  readonly members: readonly string[];
  /** Holder of the primary Lease, or the one known last. Undefined before the topology has been initialised. */
  readonly primary: string | undefined;
  /** Whether it is known who writes: the Lease names one of the instances, or there is no database that could be lost. */
  readonly mayRemove: boolean;
}

export interface Scale {
  /** Everyone who should exist, by number. */
  readonly members: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Decides the members. Before the first initialisation the first member counts as the primary: it alone may initialise. */
export function planScale(facts: ScaleFacts): Scale {
  const ordinalOf = (name: string) => instanceOrdinal(facts.topology, name);
  const known = [...facts.members, ...(facts.primary === undefined ? [] : [facts.primary])];
  const ordinals = [...new Set(known.map(ordinalOf).filter((it) => it !== undefined))].sort((a, b) => a - b);
  const stays = facts.primary === undefined ? ordinals[0] : ordinalOf(facts.primary);

  const removed = ordinals
    .filter((it) => it !== stays)
    .reverse()
    .slice(0, facts.mayRemove ? Math.max(0, ordinals.length - facts.wanted) : 0);
  const added = unusedOrdinals(ordinals, facts.wanted - ordinals.length);
  const members = [...ordinals.filter((it) => !removed.includes(it)), ...added].sort((a, b) => a - b);

  const named = (list: readonly number[]) => list.map((it) => instanceName(facts.topology, it));
  return { members: named(members), added: named(added), removed: named(removed) };
}

function unusedOrdinals(used: readonly number[], count: number): readonly number[] {
  const found: number[] = [];
  for (let ordinal = 1; found.length < count; ordinal += 1) {
    if (!used.includes(ordinal)) found.push(ordinal);
  }
  return found;
}
