// What one instance does next: from its duty (instanceDuty.ts) and the state of its server to actions.
//
// Invariants:
// - A primary is stopped at once, before anything else is looked at, when another instance holds the Lease at an epoch
//   that is not below its own.
// - Any other server that runs is stopped only when it was told to end, when a restart lets a replica replay again, or to
//   be cloned again. Not knowing (no Lease read, no settings) changes nothing.
// - Settings are written before the server starts, and the record before anything depends on its epoch.

import { slotName } from '../api/names.ts';
import type { TopologyConfig } from '../api/topologyConfig.ts';
import { backoffMs } from '../lib/backoff.ts';
import { type Duty, hostOf, judgeDuty } from './instanceDuty.ts';
import type { InstanceAction, InstanceFacts, InstancePlan } from './instanceFacts.ts';
import { planSettings, refusedReason } from './instanceSettings.ts';
import { planSlots } from './instanceSlots.ts';

/** From the second restart in place on: the first is at once, and a server that cannot start must not fill the log. */
const restartBackoff = { firstMs: 1_000, maxMs: 30_000, jitter: 0 };
/** The same for an initialisation that failed. */
const initializeBackoff = { firstMs: 2_000, maxMs: 30_000, jitter: 0 };
/** A slot may need a second to appear; but each attempt may read all of the primary's data before it fails. */
const cloneBackoff = { firstMs: 2_000, maxMs: 5 * 60_000, jitter: 0 };
/** Cloning costs the primary a whole read of its data. */
export const cloneAgainEveryMs = 5 * 60_000;

type Data = Extract<InstanceFacts['volume'], { kind: 'data' }>;

export function planInstance(facts: InstanceFacts): InstancePlan {
  const replaced = planReplaced(facts);
  if (replaced !== null) return replaced;
  if (facts.stopRequested) return planEnd(facts);
  if (facts.isVolumeTaken && facts.server.kind === 'stopped') {
    // Whatever is to be done with the volume may harm what the other one does.
    return { ...idle(facts, 'another agent works on this volume: waiting for it to end'), renewLease: false };
  }
  if (facts.config === null) {
    return idle(facts, 'waiting for the settings of the topology');
  }
  const duty = judgeDuty(facts, facts.config);
  if (facts.work !== null) return planDuringWork(facts, duty);
  switch (duty.kind) {
    case 'refuse':
      return planRefusal(facts, duty.reason);
    case 'wait':
      return planWait(facts, duty.reason);
    case 'createLease':
      return { ...idle(facts, null), actions: [{ kind: 'createLease', epoch: duty.epoch }] };
    case 'initialize':
    case 'clone':
      return planVolume(facts, facts.config, duty);
    case 'primary':
    case 'replica':
      return planServer(facts, facts.config, duty);
  }
}

/** Two primaries are worse than none: an immediate stop of one that was replaced waits for no other rule. */
function planReplaced(facts: InstanceFacts): InstancePlan | null {
  const { server, lease, volume } = facts;
  if (server.kind === 'stopped' || server.as !== 'primary') return null;
  if (server.kind === 'stopping' && server.mode === 'immediate') return null;
  if (lease.kind !== 'held' || lease.holder === '' || lease.holder === facts.instance) return null;
  // An old Lease, restored or read late, replaces nobody. A volume that cannot be read has no epoch to defend.
  const own = volume.kind === 'data' ? (volume.record?.epoch ?? 0) : 0;
  if (lease.epoch < own) return null;
  const reason = `${lease.holder} holds the Lease at epoch ${lease.epoch}`;
  return {
    phase: 'stopping',
    reason,
    renewLease: false,
    actions: [{ kind: 'stop', from: 'primary', mode: 'immediate', reason }],
  };
}

function planEnd(facts: InstanceFacts): InstancePlan {
  const renewLease = facts.server.kind !== 'stopped' && mayRenew(facts);
  const stopping = { phase: 'stopping', reason: null, renewLease } as const;
  if (facts.work !== null) {
    return { ...stopping, actions: [{ kind: 'abandonWork', reason: 'the pod is stopping' }] };
  }
  switch (facts.server.kind) {
    case 'stopping':
      return { ...stopping, actions: [] };
    case 'stopped':
      return { ...stopping, phase: 'stopped', actions: [{ kind: 'finish' }] };
    case 'silent':
    case 'answering':
      return {
        ...stopping,
        actions: [{ kind: 'stop', from: facts.server.as, mode: 'ordered', reason: 'the pod is stopping' }],
      };
  }
}

/** Nothing to do: what runs goes on. */
function idle(facts: InstanceFacts, reason: string | null): InstancePlan {
  const running = facts.server.kind === 'answering';
  return {
    phase: running ? 'running' : 'waiting',
    reason,
    renewLease: running && mayRenew(facts),
    actions: [],
  };
}

function planRefusal(facts: InstanceFacts, reason: string): InstancePlan {
  if (facts.server.kind === 'stopped') {
    return { phase: 'refused', reason, renewLease: false, actions: labelActions(facts, null) };
  }
  // What runs was accepted before; it is not ended over a change of the settings.
  return idle(facts, reason);
}

function planWait(facts: InstanceFacts, reason: string): InstancePlan {
  const plan = idle(facts, reason);
  return facts.server.kind === 'stopped' ? { ...plan, actions: labelActions(facts, null) } : plan;
}

function planDuringWork(facts: InstanceFacts, duty: Duty): InstancePlan {
  const work = facts.work;
  const phase = work?.kind === 'clone' ? 'cloning' : 'initializing';
  const progress = work?.progress == null ? '' : `, ${work.progress}`;
  const reason =
    work?.kind === 'clone' ? `cloning from ${work.source}${progress}` : 'initialising the database';
  const stale = work?.kind === 'clone' && duty.kind === 'clone' && duty.source !== work.source;
  return {
    phase,
    reason,
    renewLease: mayRenew(facts),
    actions: stale ? [{ kind: 'abandonWork', reason: `the primary is ${duty.source} now` }] : [],
  };
}

function planVolume(
  facts: InstanceFacts,
  config: TopologyConfig,
  duty: Extract<Duty, { kind: 'initialize' | 'clone' }>,
): InstancePlan {
  const phase = duty.kind === 'clone' ? 'cloning' : 'initializing';
  const renewLease = mayRenew(facts);
  const failed = facts.workFailure;
  const backoff = duty.kind === 'clone' ? cloneBackoff : initializeBackoff;
  if (failed !== null && failed.sinceMs < backoffMs(failed.failures - 1, backoff, 0)) {
    return { phase, reason: failed.reason, renewLease, actions: labelActions(facts, null) };
  }
  const topologyUid = config.topology.uid;
  const action: InstanceAction =
    duty.kind === 'initialize'
      ? { kind: 'initialize', topologyUid, epoch: duty.epoch }
      : {
          kind: 'clone',
          source: duty.source,
          host: hostOf(config, duty.source),
          slot: slotName(facts.instance),
          topologyUid,
          systemIdentifier: duty.systemIdentifier,
          epoch: duty.epoch,
        };
  return { phase, reason: null, renewLease, actions: [...labelActions(facts, null), action] };
}

type Serving = Extract<Duty, { kind: 'primary' | 'replica' }>;

function planServer(facts: InstanceFacts, config: TopologyConfig, duty: Serving): InstancePlan {
  const volume = facts.volume as Data;
  const { server } = facts;
  const renewLease = duty.kind === 'primary';
  const record = recordActions(config, duty, volume);
  const settings = planSettings(facts, config, duty, volume);
  switch (server.kind) {
    case 'stopping':
      return { phase: 'stopping', reason: null, renewLease, actions: [] };
    case 'stopped': {
      if (server.exits > 1 && server.stoppedForMs < backoffMs(server.exits - 2, restartBackoff, 0)) {
        return { phase: 'startingPostgres', reason: 'PostgreSQL ended by itself', renewLease, actions: [] };
      }
      // A replica that holds the Lease starts as what it is and is promoted: only that begins a new timeline.
      const as = duty.kind === 'primary' && !volume.standby ? 'primary' : 'replica';
      const actions: InstanceAction[] = [...record, ...settings, { kind: 'start', as }];
      return { phase: 'startingPostgres', reason: null, renewLease, actions };
    }
    case 'silent': {
      const again = cloneAgain(facts, duty);
      const reason = `PostgreSQL does not answer since ${Math.round(server.silentForMs / 1000)} s`;
      const actions = again ?? [...record, ...settings];
      return {
        phase: 'startingPostgres',
        reason: server.silentForMs < 5_000 ? null : reason,
        renewLease,
        actions,
      };
    }
    case 'answering':
      return planAnswering(facts, config, duty, [...record, ...settings], server.state);
  }
}

function planAnswering(
  facts: InstanceFacts,
  config: TopologyConfig,
  duty: Serving,
  preparations: readonly InstanceAction[],
  state: Extract<InstanceFacts['server'], { kind: 'answering' }>['state'],
): InstancePlan {
  const running = { phase: 'running', renewLease: duty.kind === 'primary' } as const;
  if (duty.kind === 'primary' && state.role === 'replica') {
    return { ...running, reason: 'becoming primary', actions: [...preparations, { kind: 'promote' }] };
  }
  const again = cloneAgain(facts, duty);
  if (again !== null) return { ...running, reason: facts.missingWal, actions: again };
  if (facts.pausedReplay !== null && duty.kind === 'replica') {
    const reason = facts.pausedReplay;
    const stop = { kind: 'stop', from: 'replica', mode: 'ordered', reason } as const;
    return { ...running, reason, actions: [...preparations, stop] };
  }
  const roles: InstanceAction[] =
    duty.kind === 'primary' && !facts.rolesCurrent ? [{ kind: 'healRoles' }] : [];
  return {
    ...running,
    reason: facts.missingWal ?? refusedReason(facts),
    actions: [
      ...preparations,
      // Clients find the primary by the label; roles and slots may take long or fail.
      ...labelActions(facts, duty.kind),
      ...roles,
      ...planSlots(facts.instance, config, state),
    ],
  };
}

/** Only a replica, only while a live primary of the same system is there to be cloned, and not too often. */
function cloneAgain(facts: InstanceFacts, duty: Serving): readonly InstanceAction[] | null {
  const { lease, config, missingWal, volume } = facts;
  if (missingWal === null || duty.kind !== 'replica' || lease.kind !== 'held' || config === null) return null;
  const sameSystem =
    volume.kind === 'data' && volume.standby && lease.systemIdentifier === volume.systemIdentifier;
  const alive = lease.unchangedForMs < config.failover.leaseSeconds * 1000;
  const tooSoon = facts.sinceCloneAgainMs !== null && facts.sinceCloneAgainMs < cloneAgainEveryMs;
  return sameSystem && alive && !tooSoon ? [{ kind: 'cloneAgain', reason: missingWal }] : null;
}

function recordActions(config: TopologyConfig, duty: Serving, volume: Data): InstanceAction[] {
  const { record } = volume;
  if (record !== null && record.epoch >= duty.epoch) return [];
  const { systemIdentifier, majorVersion } = volume;
  return [
    {
      kind: 'writeRecord',
      record: {
        version: 1,
        topologyUid: config.topology.uid,
        systemIdentifier,
        epoch: duty.epoch,
        majorVersion,
      },
    },
  ];
}

/** `null` takes a `primary` label off a pod that is none; a `replica` label does no harm and stays. */
function labelActions(facts: InstanceFacts, role: 'primary' | 'replica' | null): InstanceAction[] {
  if (facts.podRole === undefined || facts.podRole === role) return [];
  if (role !== null) return [{ kind: 'labelPod', role }];
  const held = facts.lease.kind === 'held' && facts.lease.holder !== facts.instance;
  return held && facts.podRole === 'primary' ? [{ kind: 'labelPod', role: null }] : [];
}

function mayRenew(facts: InstanceFacts): boolean {
  return facts.lease.kind === 'held' && facts.lease.holder === facts.instance;
}
