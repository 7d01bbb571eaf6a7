// The status of a topology, and whether it is worth a write.
//
// Invariant: an idle topology causes no writes. Roles, readiness, routability, conditions and settings are written at once;
// bare lag numbers at most every five seconds; positions and times of measurement only along with something else.

import { labels, objectNames } from '../api/names.ts';
import type {
  Condition,
  InstanceStatus,
  Phase,
  PrimaryStatus,
  ReplicatedPostgresStatus,
} from '../api/replicatedPostgresStatus.ts';
import type { EndpointsDocument } from '../endpoints/endpointsDocument.ts';
import { canonicalJson } from '../lib/canonicalJson.ts';
import { type ConditionFacts, judgeConditions, keepTransitionTimes } from './conditions.ts';

export interface StatusFacts {
  readonly topology: string;
  readonly generation: number;
  readonly wallTime: string;
  readonly previous: ReplicatedPostgresStatus | undefined;
  readonly wanted: number;
  readonly instances: readonly InstanceStatus[];
  /** How many instances exist, those that are about to go included. */
  readonly existing: number;
  readonly document: EndpointsDocument;
  readonly systemIdentifier: string | undefined;
  readonly poolers: ConditionFacts['poolers'];
  readonly wantedPoolers: ConditionFacts['wantedPoolers'];
  readonly routing: ConditionFacts['routing'];
  readonly obstacle: ConditionFacts['obstacle'];
}

/** Twelve a minute at most. */
export const lagWriteIntervalMs = 5_000;

/** The status that is true now. Whether it is written is `isWorthWriting`. */
export function planStatus(facts: StatusFacts): ReplicatedPostgresStatus {
  const { previous, instances, routing } = facts;
  const primary = primaryStatus(facts);
  const replicas = instances.filter((it) => it.name !== primary?.name);
  const verdicts = judgeConditions({
    primary: primary?.name,
    wanted: facts.wanted,
    instances,
    poolers: facts.poolers,
    wantedPoolers: facts.wantedPoolers,
    routing,
    obstacle: facts.obstacle,
  });
  const conditions = keepTransitionTimes(previous?.conditions, verdicts, facts);
  const readyInstances = instances.filter((it) => it.ready).length;
  const maxLag = maxLagText(replicas);
  return {
    phase: judgePhase(conditions, instances, previous),
    ...(primary === undefined ? {} : { primary }),
    instances: [...instances],
    ...(routing.generation === 0 ? {} : { routing: routingStatus(facts) }),
    ...(previous?.failovers === undefined ? {} : { failovers: previous.failovers }),
    replicas: facts.existing,
    readyInstances,
    routableReplicas: replicas.filter((it) => it.routable).length,
    readySummary: `${readyInstances}/${facts.wanted}`,
    ...(maxLag === undefined ? {} : { maxLag }),
    selector: `${labels.topology}=${facts.topology},${labels.component}=instance`,
    ...(facts.systemIdentifier === undefined ? {} : { systemIdentifier: facts.systemIdentifier }),
    observedGeneration: facts.generation,
    conditions,
  };
}

/** The status of a resource that cannot be run: what was known before, and what is wrong. */
export function invalidStatus(
  previous: ReplicatedPostgresStatus | undefined,
  problems: readonly string[],
  now: { readonly wallTime: string; readonly generation: number },
): ReplicatedPostgresStatus {
  const message = problems.join('; ');
  const verdicts = [
    ['Ready', 'False', 'Invalid', message],
    ['SpecValid', 'False', 'Invalid', message],
  ] as const;
  const others = (previous?.conditions ?? []).filter((it) => !verdicts.some(([type]) => type === it.type));
  return {
    ...previous,
    phase: 'Invalid',
    observedGeneration: now.generation,
    conditions: [...keepTransitionTimes(previous?.conditions, verdicts, now), ...others],
  };
}

/** Whether `next` says enough that is new to be written, `ageMs` after the last write. */
export function isWorthWriting(
  previous: ReplicatedPostgresStatus | undefined,
  next: ReplicatedPostgresStatus,
  ageMs: number,
): boolean {
  if (canonicalJson(withoutMeasurements(previous)) !== canonicalJson(withoutMeasurements(next))) return true;
  return (
    ageMs >= lagWriteIntervalMs && canonicalJson(lagNumbers(previous)) !== canonicalJson(lagNumbers(next))
  );
}

function routingStatus({ topology, routing }: StatusFacts): ReplicatedPostgresStatus['routing'] {
  return { configMap: objectNames(topology).endpointsConfigMap, generation: routing.generation };
}

function primaryStatus({ document, previous, instances, wallTime }: StatusFacts): PrimaryStatus | undefined {
  if (document.primary === null) return previous?.primary;
  const { name } = document.primary;
  const isSame = previous?.primary?.name === name && previous.primary.epoch === document.epoch;
  const since = isSame ? previous.primary?.since : wallTime;
  const lsn = instances.find((it) => it.name === name)?.receivedLsn;
  return {
    name,
    epoch: document.epoch,
    ...(document.timeline === null ? {} : { timeline: document.timeline }),
    ...(lsn === undefined ? {} : { lsn }),
    ...(since === undefined ? {} : { since }),
  };
}

function judgePhase(
  conditions: readonly Condition[],
  instances: readonly InstanceStatus[],
  previous: ReplicatedPostgresStatus | undefined,
): Phase {
  if (conditions.find((it) => it.type === 'Ready')?.status === 'True') return 'Ready';
  const before = previous?.phase;
  if (before === undefined || before === 'Provisioning' || before === 'Invalid') return 'Provisioning';
  // A topology that grows has not lost anything: only instances that nobody has seen ready yet are missing.
  const known = new Map(previous?.instances?.map((it) => [it.name, it]));
  const isGrowing = before === 'Ready' && instances.every((it) => it.ready || !known.has(it.name));
  return isGrowing && instances.some((it) => !it.ready) ? 'Provisioning' : 'Degraded';
}

/** The largest lag as people read it; unknown as soon as one replica's is. */
function maxLagText(replicas: readonly InstanceStatus[]): string | undefined {
  if (replicas.length === 0) return undefined;
  const seconds = replicas.map((it) => it.lagSeconds);
  if (seconds.includes(undefined)) return 'unknown';
  return `${Math.max(...seconds.map((it) => it ?? 0))}s`;
}

function withoutMeasurements(status: ReplicatedPostgresStatus | undefined): object | undefined {
  if (status === undefined) return undefined;
  const { maxLag, primary, instances, ...rest } = status;
  return {
    ...rest,
    // A lag that becomes unknown, or known again, is news; its number is not.
    isLagKnown: maxLag !== 'unknown',
    primary: primary === undefined ? undefined : { ...primary, lsn: undefined },
    instances: instances?.map((it) => ({
      ...it,
      lagSeconds: it.lagSeconds !== undefined,
      lagBytes: undefined,
      receivedLsn: undefined,
      replayedLsn: undefined,
      measuredAt: undefined,
    })),
  };
}

function lagNumbers(status: ReplicatedPostgresStatus | undefined): unknown {
  return status?.instances?.map(({ name, lagSeconds, lagBytes }) => ({ name, lagSeconds, lagBytes }));
}
