// Conditions of a topology from its judged instances.
//
// Invariant: `lastTransitionTime` changes when the status of a condition changes and at no other time, and messages carry no
// measurement, so that a condition is the same object until something has happened.

import type { Condition, ConditionType, InstanceStatus } from '../api/replicatedPostgresStatus.ts';
import { outdatedParts, type PoolerFacts } from './observed.ts';

export type Verdict = readonly [
  type: ConditionType,
  status: 'True' | 'False' | 'Unknown',
  reason: string,
  message: string,
];

/** Turns verdicts into conditions, keeping the times of those that say the same as before. */
export function keepTransitionTimes(
  previous: readonly Condition[] | undefined,
  verdicts: readonly Verdict[],
  now: { readonly wallTime: string; readonly generation: number },
): Condition[] {
  return verdicts.map(([type, status, reason, message]) => {
    const before = previous?.find((it) => it.type === type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : now.wallTime;
    return { type, status, reason, message, lastTransitionTime, observedGeneration: now.generation };
  });
}

export interface ConditionFacts {
  readonly primary: string | undefined;
  readonly wanted: number;
  readonly instances: readonly InstanceStatus[];
  readonly poolers: {
    readonly readWrite: PoolerFacts | undefined;
    readonly readOnly: PoolerFacts | undefined;
  };
  readonly wantedPoolers: { readonly readWrite: number; readonly readOnly: number };
  readonly routing: RoutingFacts;
  /** What keeps the topology from being what it should, whatever its instances say. */
  readonly obstacle: Problem | undefined;
}

export interface Problem {
  /** One word in CamelCase; part of the API. */
  readonly reason: string;
  readonly message: string;
}

export interface RoutingFacts {
  /** Of the endpoints document that readers have; 0 when there is none. */
  readonly generation: number;
  /** Why it is not the one that says what is true now. */
  readonly problem: Problem | undefined;
}

/** Every condition of a valid topology, `Ready` first. */
export function judgeConditions(facts: ConditionFacts): readonly Verdict[] {
  const primary = primaryAvailable(facts);
  const replication = replicationHealthy(facts);
  const poolers = poolersAvailable(facts);
  const progressing = isProgressing(facts);
  return [
    ready(facts, [primary, replication, poolers]),
    ['SpecValid', 'True', 'Valid', 'the resource can be run as it is written'],
    primary,
    replication,
    routingPublished(facts),
    poolers,
    pendingRestart(facts),
    progressing,
  ];
}

function routingPublished({ routing: { generation, problem } }: ConditionFacts): Verdict {
  if (problem !== undefined) return ['RoutingPublished', 'False', problem.reason, problem.message];
  return ['RoutingPublished', 'True', 'Published', `endpoints document ${generation} is published`];
}

function ready({ instances, wanted, obstacle }: ConditionFacts, parts: readonly Verdict[]): Verdict {
  if (obstacle !== undefined) return ['Ready', 'False', obstacle.reason, obstacle.message];
  const silent = instances.filter((it) => !it.ready);
  if (silent.length > 0 || instances.length < wanted) {
    return ['Ready', 'False', 'InstancesNotReady', sentence(silent, 'instances are missing')];
  }
  const failed = parts.find(([, status]) => status !== 'True');
  if (failed !== undefined) return ['Ready', 'False', failed[2], failed[3]];
  return ['Ready', 'True', 'AllInstancesReady', 'all instances answer and replicate'];
}

function primaryAvailable({ primary, instances }: ConditionFacts): Verdict {
  const holder = instances.find((it) => it.name === primary);
  if (primary === undefined) {
    return ['PrimaryAvailable', 'False', 'NotInitialized', 'no instance has become primary yet'];
  }
  if (holder?.ready === true && holder.role === 'primary') {
    return ['PrimaryAvailable', 'True', 'PrimaryAnswers', `${primary} is primary and answers`];
  }
  return [
    'PrimaryAvailable',
    'False',
    'PrimaryNotReady',
    `${primary}: ${holder?.reason ?? 'does not exist'}`,
  ];
}

function replicationHealthy({ primary, instances, wanted }: ConditionFacts): Verdict {
  if (wanted === 1) return ['ReplicationHealthy', 'True', 'NoReplicas', 'one instance needs no replication'];
  const replicas = instances.filter((it) => it.name !== primary);
  const broken = replicas.filter((it) => !it.ready || it.receiver !== 'streaming');
  if (broken.length > 0) {
    return ['ReplicationHealthy', 'False', 'ReplicasNotStreaming', sentence(broken, 'replicas are missing')];
  }
  return ['ReplicationHealthy', 'True', 'AllReplicasStreaming', 'all replicas stream from the primary'];
}

function poolersAvailable({ poolers, wantedPoolers }: ConditionFacts): Verdict {
  const missing = [
    ...(wantedPoolers.readWrite > 0 && !isAvailable(poolers.readWrite) ? ['read-write'] : []),
    ...(wantedPoolers.readOnly > 0 && !isAvailable(poolers.readOnly) ? ['read-only'] : []),
  ];
  if (missing.length === 0) {
    return ['PoolersAvailable', 'True', 'PodsAvailable', 'every pooler has a pod that is ready'];
  }
  return [
    'PoolersAvailable',
    'False',
    'NoPodAvailable',
    `no pod of the ${missing.join(' and ')} pooler is ready`,
  ];
}

const isAvailable = (pooler: PoolerFacts | undefined): boolean => (pooler?.available ?? 0) > 0;

function pendingRestart({ instances }: ConditionFacts): Verdict {
  const waiting = instances.filter((it) => (it.pendingRestart ?? []).length > 0);
  if (waiting.length === 0)
    return ['PendingRestart', 'False', 'NothingPending', 'all settings are in effect'];
  return [
    'PendingRestart',
    'True',
    'RestartNeeded',
    [...restarts(waiting), ...replacements(waiting)].join('; '),
  ];
}

const outdated: ReadonlySet<string> = new Set(outdatedParts);

/** A parameter takes effect when PostgreSQL starts again, in whichever pod. */
function restarts(waiting: readonly InstanceStatus[]): readonly string[] {
  const isParameter = (name: string) => !outdated.has(name);
  const instances = waiting.filter((it) => it.pendingRestart?.some(isParameter));
  if (instances.length === 0) return [];
  const names = new Set(instances.flatMap((it) => it.pendingRestart?.filter(isParameter) ?? []));
  return [
    `${[...names].sort().join(', ')} take effect when ${instances.map((it) => it.name).join(', ')} restart`,
  ];
}

function replacements(waiting: readonly InstanceStatus[]): readonly string[] {
  return outdatedParts.flatMap((part) => {
    const instances = waiting.filter((it) => it.pendingRestart?.includes(part)).map((it) => it.name);
    if (instances.length === 0) return [];
    return [`the ${part} of ${instances.join(', ')} has changed, delete the pod to take the change over`];
  });
}

function isProgressing({ instances, wanted }: ConditionFacts): Verdict {
  if (instances.length === wanted && instances.every((it) => it.ready)) {
    return ['Progressing', 'False', 'Settled', 'nothing is being changed'];
  }
  return ['Progressing', 'True', 'InstancesStarting', 'instances are being created, cloned or started'];
}

function sentence(instances: readonly InstanceStatus[], otherwise: string): string {
  if (instances.length === 0) return otherwise;
  return instances.map((it) => `${it.name}: ${it.reason ?? 'does not stream'}`).join('; ');
}
