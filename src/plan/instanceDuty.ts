// What an instance should be, from the Lease, the settings and what its volume holds. Says nothing about how
// to get there.
//
// Invariants:
// - A database is initialised only by the holder of the Lease, while neither the Lease nor the settings know
//   a system identifier, and only into a volume that never held a finished one.
// - A volume that belongs to somebody else is refused and left as it is.
// - A missing Lease is not a free Lease: only who was the primary makes it again, with its own epoch, and only
//   after everybody who could still be one had the time to do so. Nobody makes it below the epoch that was published.

import { instanceHost } from '../api/names.ts';
import type { TopologyConfig } from '../api/topologyConfig.ts';
import type { InstanceFacts, LeaseFact, VolumeFact } from './instanceFacts.ts';

export type Duty =
  | { readonly kind: 'refuse'; readonly reason: string }
  | { readonly kind: 'wait'; readonly reason: string }
  | { readonly kind: 'createLease'; readonly epoch: number }
  | { readonly kind: 'initialize'; readonly epoch: number }
  | {
      readonly kind: 'clone';
      readonly source: string;
      readonly systemIdentifier: string;
      readonly epoch: number;
    }
  | { readonly kind: 'primary'; readonly epoch: number }
  | { readonly kind: 'replica'; readonly of: string; readonly epoch: number };

type Held = Extract<LeaseFact, { kind: 'held' }>;
type Missing = Extract<LeaseFact, { kind: 'missing' }>;
type Data = Extract<VolumeFact, { kind: 'data' }>;

/** Decides what this instance should be now. `config` is that of the facts, once it is known. */
export function judgeDuty(facts: InstanceFacts, config: TopologyConfig): Duty {
  const refusal = refusalOf(facts, config);
  if (refusal !== null) return { kind: 'refuse', reason: refusal };
  const { lease, volume } = facts;
  switch (lease.kind) {
    case 'unknown':
      return { kind: 'wait', reason: `the Lease cannot be read: ${lease.reason}` };
    case 'missing':
      return judgeWithoutLease(facts, config, lease);
    case 'foreign':
      return {
        kind: 'wait',
        reason: 'the Lease belongs to an earlier topology of this name, waiting for it to be collected',
      };
    case 'held':
      if (lease.holder === '') return { kind: 'wait', reason: 'nobody holds the Lease' };
      if (volume.kind === 'data') return judgeWithData(facts, lease, volume);
      return lease.holder === facts.instance
        ? judgeEmptyHolder(lease, config)
        : judgeEmptyFollower(lease, config);
  }
}

/** Why the volume or the image cannot be used; null when they can. */
function refusalOf(facts: InstanceFacts, config: TopologyConfig): string | null {
  const { binaries, volume, lease } = facts;
  const wanted = config.postgres.version;
  if (binaries.kind === 'missing') return binaries.reason;
  if (binaries.majorVersion !== wanted) {
    return `the image holds PostgreSQL ${binaries.majorVersion}, but version ${wanted} is asked for; set postgres.image to one of version ${wanted}`;
  }
  if (volume.kind === 'unreadable') return volume.reason;
  if (volume.kind !== 'data') return null;
  if (volume.record === null) {
    return 'the volume holds a database that no topology has put there; use an empty volume';
  }
  if (volume.record.topologyUid !== config.topology.uid) {
    return `the volume belongs to another topology (uid ${volume.record.topologyUid}); use an empty volume or restore that topology`;
  }
  if (volume.majorVersion !== wanted) {
    return `the volume holds a database of PostgreSQL ${volume.majorVersion}, but version ${wanted} is asked for; set postgres.version back`;
  }
  const known = config.systemIdentifier ?? (lease.kind === 'held' ? lease.systemIdentifier : null);
  if (known !== null && known !== volume.systemIdentifier) {
    return `the volume holds database system ${volume.systemIdentifier}, but this topology is ${known}; use an empty volume`;
  }
  return null;
}

function judgeWithoutLease(facts: InstanceFacts, config: TopologyConfig, lease: Missing): Duty {
  const { volume } = facts;
  const published = lease.publishedEpoch;
  const unread: Duty = {
    kind: 'wait',
    reason: 'there is no Lease, and the published endpoints cannot be read: waiting to learn the epoch',
  };
  if (volume.kind !== 'data') {
    const first = config.instances[0]?.name === facts.instance && config.systemIdentifier === null;
    if (first && published === 0) return { kind: 'createLease', epoch: 1 };
    if (first && published === null) return unread;
    const whose = published === null || published === 0 ? '' : ` of epoch ${published}`;
    const reason = `there is no Lease, and this volume is empty: waiting for the primary${whose}`;
    return { kind: 'wait', reason };
  }
  if (volume.standby) return { kind: 'wait', reason: 'there is no Lease: waiting for the primary' };
  const epoch = volume.record?.epoch ?? 0;
  if (published !== null && epoch < published) {
    return {
      kind: 'wait',
      reason: `the Lease is gone and this volume has seen epoch ${epoch}, but epoch ${published} was published: waiting for the instance that was primary then`,
    };
  }
  if (isRunningAs(facts, 'primary')) return { kind: 'createLease', epoch };
  if (published === null) return unread;
  const patienceMs = config.failover.leaseSeconds * 1000;
  if (lease.missingForMs >= patienceMs) return { kind: 'createLease', epoch };
  return { kind: 'wait', reason: 'the Lease is gone: waiting whether another instance makes it again' };
}

function judgeWithData(facts: InstanceFacts, lease: Held, volume: Data): Duty {
  const own = volume.record?.epoch ?? 0;
  if (lease.epoch < own) {
    return {
      kind: 'wait',
      reason: `the Lease says epoch ${lease.epoch}, but this volume has seen epoch ${own}: an old Lease is not followed`,
    };
  }
  if (lease.holder === facts.instance) return { kind: 'primary', epoch: lease.epoch };
  if (!volume.standby) {
    return {
      kind: 'wait',
      reason: `this was the primary of epoch ${own} and ${lease.holder} is the primary of epoch ${lease.epoch}: delete this instance's volume claim and pod to have it cloned`,
    };
  }
  return { kind: 'replica', of: lease.holder, epoch: lease.epoch };
}

function judgeEmptyHolder(lease: Held, config: TopologyConfig): Duty {
  if (lease.systemIdentifier === null && config.systemIdentifier === null) {
    return { kind: 'initialize', epoch: lease.epoch };
  }
  return {
    kind: 'wait',
    reason:
      'this instance holds the Lease, but its volume is empty and the topology has data: another instance must become primary',
  };
}

function judgeEmptyFollower(lease: Held, config: TopologyConfig): Duty {
  const systemIdentifier = lease.systemIdentifier ?? config.systemIdentifier;
  if (systemIdentifier === null) {
    return { kind: 'wait', reason: `waiting for ${lease.holder} to initialise the database` };
  }
  return { kind: 'clone', source: lease.holder, systemIdentifier, epoch: lease.epoch };
}

function isRunningAs(facts: InstanceFacts, role: 'primary' | 'replica'): boolean {
  return facts.server.kind === 'answering' && facts.server.state.role === role;
}

/** Where an instance of the topology is reached. */
export function hostOf(config: TopologyConfig, instance: string): string {
  const listed = config.instances.find(({ name }) => name === instance);
  return listed?.host ?? instanceHost(config.topology.name, config.topology.namespace, instance);
}
