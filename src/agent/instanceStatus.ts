import type { AgentStatus } from '../api/agentStatus.ts';
import type { InstanceFacts, InstancePlan } from '../plan/instanceFacts.ts';
import { formatState } from '../postgres/instanceState.ts';
import type { AgentMemory } from './agentParts.ts';
import type { AgentSettings } from './agentSettings.ts';

/** What `/status` says after a cycle. */
export function instanceStatus(
  settings: Pick<AgentSettings, 'instance' | 'podUid'>,
  facts: InstanceFacts,
  plan: InstancePlan,
  memory: Pick<AgentMemory, 'lastError'>,
): AgentStatus {
  const { server, lease, volume } = facts;
  const state = server.kind === 'answering' ? server.state : null;
  const data = volume.kind === 'data' ? volume : null;
  return {
    version: 1,
    instance: settings.instance,
    podUid: settings.podUid,
    phase: plan.phase,
    reason: plan.reason,
    role: state?.role ?? 'unknown',
    epoch: Math.max(lease.kind === 'held' ? lease.epoch : 0, data?.record?.epoch ?? 0),
    systemIdentifier: data === null || data.systemIdentifier === '' ? null : data.systemIdentifier,
    timeline: state?.timeline ?? data?.timeline ?? null,
    ...(state === null ? { lsn: null, replayedLsn: null } : formatState(state)),
    pendingRestart: state?.pendingRestart ?? [],
    lastError: memory.lastError,
  };
}

/** Before the first cycle. */
export function firstStatus(settings: Pick<AgentSettings, 'instance' | 'podUid'>): AgentStatus {
  return {
    version: 1,
    instance: settings.instance,
    podUid: settings.podUid,
    phase: 'starting',
    reason: null,
    role: 'unknown',
    epoch: 0,
    systemIdentifier: null,
    timeline: null,
    lsn: null,
    replayedLsn: null,
    pendingRestart: [],
    lastError: null,
  };
}
