// Which replication slots an instance must have: the primary one for every other instance, a replica none.
//
// Invariant: only slots with names of this topology's instances are touched; slots of others stay.

import { slotName } from '../api/names.ts';
import type { TopologyConfig } from '../api/topologyConfig.ts';
import type { InstanceState } from '../postgres/instanceState.ts';
import type { InstanceAction } from './instanceFacts.ts';

export function planSlots(instance: string, config: TopologyConfig, state: InstanceState): InstanceAction[] {
  const wanted =
    state.role === 'replica'
      ? []
      : config.instances.filter(({ name }) => name !== instance).map(({ name }) => slotName(name));
  const prefix = `${slotName(config.topology.name)}_`;
  const ours = state.slots.filter(
    ({ name }) => name.startsWith(prefix) && /^[1-9][0-9]{0,2}$/.test(name.slice(prefix.length)),
  );
  const kept = new Set(
    ours.filter((slot) => slot.active || slot.walStatus !== 'lost').map(({ name }) => name),
  );
  // An active slot has a replica on it and cannot be dropped; it is dropped when the replica has gone.
  const dropped = ours.filter(
    (slot) => !slot.active && (!wanted.includes(slot.name) || !kept.has(slot.name)),
  );
  return [
    ...dropped.map(({ name }) => ({ kind: 'dropSlot', name }) as const),
    ...wanted.filter((name) => !kept.has(name)).map((name) => ({ kind: 'createSlot', name }) as const),
  ];
}
