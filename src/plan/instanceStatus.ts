// What the status says of one instance, from what is known of it.
//
// Invariant: ready, routable and promotable are three different things and are never derived from each other. What is not
// known is left out, never 0.

import type { InstanceStatus } from '../api/replicatedPostgresStatus.ts';
import { formatLsn } from '../postgres/lsn.ts';
import type { InstanceFacts, PodFacts } from './observed.ts';

export interface InstanceContext {
  /** Holder of the primary Lease. */
  readonly primary: string | undefined;
  readonly systemIdentifier: string | undefined;
  /** From `failover.maxLagBytes`. */
  readonly maxPromotableLagBytes: number;
  /** What the status said last of this instance. */
  readonly previous: InstanceStatus | undefined;
}

/** The entry of one member in `status.instances`. A member without any facts has no pod yet. */
export function judgeInstance(
  name: string,
  facts: InstanceFacts | undefined,
  context: InstanceContext,
): InstanceStatus {
  const reason = troubleOf(facts, context);
  const silent = { role: 'unknown', ready: false, routable: false, promotable: false } as const;
  if (facts?.pod === undefined) return { name, ...silent, reason: reason ?? 'has no pod' };
  const zone = facts.pod.zone === null ? {} : { zone: facts.pod.zone };
  const restart = pendingRestart(facts, facts.pod);

  switch (facts.probe.kind) {
    case 'pending':
      // A pod that is ready was measured by whoever was leader before; a new one has to show itself first.
      if (facts.pod.isReady && reason === undefined && context.previous !== undefined)
        return asBefore(context.previous, facts, context);
      return { name, ...silent, ...zone, ...restart, reason: reason ?? 'has not been measured yet' };
    case 'unreachable':
      return {
        name,
        ...silent,
        role: context.previous?.role ?? 'unknown',
        routable: facts.reads.routable && !facts.pod.isDeleting && name !== context.primary,
        reason: reason ?? 'does not answer',
        ...(name === context.primary ? {} : { receiver: 'unknown' as const }),
        ...zone,
        ...restart,
      };
    case 'measured':
      return { ...measured(name, facts, facts.probe, context, reason), ...zone, ...restart };
  }
}

/** What was said last stands, but reads are only allowed to go on, and only while the probes let them. */
function asBefore(
  previous: InstanceStatus,
  { name, reads }: InstanceFacts,
  { primary }: InstanceContext,
): InstanceStatus {
  if (!previous.routable || (reads.routable && name !== primary)) return previous;
  return { ...previous, routable: false, reason: reads.reason ?? 'has not been measured yet' };
}

/** Whether its trouble does not pass by itself: the kubelet cannot run it, or its agent refuses the volume. */
export function isStuck({ agent, pod }: InstanceFacts): boolean {
  return agent?.phase === 'refused' || pod?.stuck !== undefined;
}

function measured(
  name: string,
  facts: InstanceFacts,
  { probe, measuredAt }: Extract<InstanceFacts['probe'], { kind: 'measured' }>,
  context: InstanceContext,
  trouble: string | undefined,
): InstanceStatus {
  const isReplica = probe.role === 'replica';
  const isStreaming = probe.receiver?.status === 'streaming';
  const ready = trouble === undefined;
  const lag = isReplica ? roundLag(facts) : {};
  const routable = ready && isReplica && name !== context.primary && facts.reads.routable;
  const promotable =
    ready &&
    isReplica &&
    isStreaming &&
    facts.lag.bytes !== undefined &&
    facts.lag.bytes <= context.maxPromotableLagBytes;
  const words = agentWords(facts, isReplica && !isStreaming);
  const why = [isReplica && !routable ? facts.reads.reason : null, ...words].filter((it) => it !== null);
  const reason = trouble ?? (why.length === 0 ? undefined : [...new Set(why)].join('; '));
  return {
    name,
    role: probe.role,
    ready,
    routable,
    promotable,
    ...(reason === undefined ? {} : { reason }),
    ...lag,
    ...(probe.receivedLsn === null ? {} : { receivedLsn: formatLsn(probe.receivedLsn) }),
    ...(probe.replayedLsn === null ? {} : { replayedLsn: formatLsn(probe.replayedLsn) }),
    ...(isReplica ? { receiver: isStreaming ? ('streaming' as const) : ('down' as const) } : {}),
    measuredAt,
  };
}

/**
 * What the agent says of a server that answers: settings that it cannot use, WAL that is missing. The last error of PostgreSQL
 * stays there long after it is over, so it is told while the replica does not stream, which is what it may explain.
 */
function agentWords({ agent }: InstanceFacts, isBroken: boolean): readonly (string | null)[] {
  if (agent === undefined) return [];
  return [agent.reason, isBroken ? (agent.lastError?.message ?? null) : null];
}

/** Parameters by their names, then what of the pod is out of date. */
function pendingRestart({ probe }: InstanceFacts, { outdated }: PodFacts): { pendingRestart?: string[] } {
  const parameters = probe.kind === 'measured' ? probe.probe.pendingRestart : [];
  const waiting = [...parameters, ...outdated];
  return waiting.length === 0 ? {} : { pendingRestart: waiting };
}

/** Tenths of a second are what a probe a second can tell. */
function roundLag({ lag }: InstanceFacts): { lagSeconds?: number; lagBytes?: number } {
  return {
    ...(lag.seconds === undefined ? {} : { lagSeconds: Math.round(lag.seconds * 10) / 10 }),
    ...(lag.bytes === undefined ? {} : { lagBytes: lag.bytes }),
  };
}

/** Why it is not ready, as one sentence that stays the same while nothing changes; undefined when it is ready. */
function troubleOf(facts: InstanceFacts | undefined, context: InstanceContext): string | undefined {
  const pod = facts?.pod;
  if (facts === undefined || pod === undefined) return undefined;
  if (pod.isDeleting) return 'its pod is being deleted';
  if (facts.agent?.phase === 'refused') return facts.agent.reason ?? 'refuses its volume';
  if (facts.probe.kind === 'measured') return troubleOfServer(facts.probe.probe, facts.name, context);
  if (facts.probe.kind === 'pending') return podTrouble(pod);
  return podTrouble(pod) ?? agentTrouble(facts) ?? facts.probe.reason;
}

function troubleOfServer(
  probe: Extract<InstanceFacts['probe'], { kind: 'measured' }>['probe'],
  name: string,
  context: InstanceContext,
): string | undefined {
  if (context.systemIdentifier !== undefined && probe.systemIdentifier !== context.systemIdentifier) {
    return `belongs to database system ${probe.systemIdentifier}, not to ${context.systemIdentifier}`;
  }
  if (probe.role === 'primary' && context.primary !== undefined && name !== context.primary) {
    return 'runs as a primary without holding the Lease';
  }
  if (probe.role === 'replica' && name === context.primary)
    return 'holds the Lease but has not been promoted';
  return undefined;
}

function podTrouble(pod: PodFacts): string | undefined {
  if (pod.stuck !== undefined)
    return pod.stuck.message === '' ? pod.stuck.reason : `${pod.stuck.reason}: ${pod.stuck.message}`;
  if (!pod.isScheduled) return 'its pod waits for a node';
  return undefined;
}

function agentTrouble({ agent }: InstanceFacts): string | undefined {
  if (agent === undefined || agent.phase === 'running') return undefined;
  return agent.reason === null ? `is ${wordsOf(agent.phase)}` : `is ${wordsOf(agent.phase)}: ${agent.reason}`;
}

/** `startingPostgres` → `starting postgres`. */
function wordsOf(phase: string): string {
  return phase.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
