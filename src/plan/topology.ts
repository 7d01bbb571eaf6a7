// What one cycle of the operator does about one topology, from facts alone.
//
// Invariant: the order of the actions is part of the decision. A replica leaves the reads before anything else happens to it,
// endpoints are published after the labels that they speak of, the status speaks of what has been published, and events tell
// what the status says. Nothing is written that does not differ from what is there.

import { instanceOrdinal, objectNames } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import type { InstanceStatus } from '../api/replicatedPostgresStatus.ts';
import type { EndpointsDocument } from '../endpoints/endpointsDocument.ts';
import type { Outcome } from '../lib/outcome.ts';
import { parseBytes } from '../lib/quantity.ts';
import type { Action, Plan, TopologyEvent } from './action.ts';
import { planClaims, planScaleEvents } from './claims.ts';
import type { Problem, RoutingFacts } from './conditions.ts';
import { planEndpoints } from './endpoints.ts';
import { planEvents } from './events.ts';
import { isStuck, judgeInstance } from './instanceStatus.ts';
import { hasLeftovers, type PlanTools, planObjects } from './objects.ts';
import type { Observed } from './observed.ts';
import { planScale, type Scale } from './scale.ts';
import { invalidStatus, isWorthWriting, planStatus } from './status.ts';

/** How soon to look again after credentials have been made: they are facts of the next cycle. */
const nextCycleMs = 1;

/** How soon to try what the API server has refused once more: a quota or a webhook may have changed. */
const refusedAgainMs = 30_000;

/** Decides what one cycle does. */
export function planTopology(observed: Observed, tools: PlanTools): Plan {
  const { resource } = observed;
  switch (resource.kind) {
    case 'absent':
      return planFarewell(observed, undefined);
    case 'invalid':
      return resource.isDeleting ? planFarewell(observed, resource.uid) : planInvalid(observed, resource);
    case 'valid':
      if (resource.isDeleting) return planFarewell(observed, resource.topology.metadata.uid);
      return planValid(observed, resource.topology, tools);
  }
}

/** Owner references remove everything but the volumes; what is left to do is to say which of those stay. */
function planFarewell(observed: Observed, uid: string | undefined): Plan {
  const stays = observed.claims.filter((it) => !it.isOwned && !it.isDeleting).map((it) => it.name);
  const actions: Action[] = [];
  if (!observed.hasSaidFarewell && stays.length > 0) {
    const message = `the volumes ${stays.join(', ')} are kept, delete their claims to free them`;
    actions.push({ kind: 'recordEvent', event: { type: 'Normal', reason: 'VolumesRetained', message } });
  }
  const isForgotten = observed.hasSaidFarewell && observed.live.length + observed.claims.length > 0;
  if (uid !== undefined) actions.push({ kind: 'rememberFarewell' });
  else if (!isForgotten) actions.push({ kind: 'forgetTopology' });
  return {
    actions,
    outcome: { kind: 'settled' },
    summary: uid === undefined ? 'is gone' : 'is being deleted',
  };
}

function planInvalid(observed: Observed, resource: Extract<Observed['resource'], { kind: 'invalid' }>): Plan {
  const { problems, generation } = resource;
  const status = invalidStatus(resource.status, problems, { wallTime: observed.wallTime, generation });
  const actions: Action[] = isWorthWriting(resource.status, status, 0)
    ? [{ kind: 'applyStatus', status }, ...told(planEvents(resource.status, status))]
    : [];
  const reason = problems.join('; ');
  return {
    actions,
    outcome: { kind: 'blocked', reason },
    summary: `cannot be run as it is written: ${reason}`,
  };
}

function planValid(observed: Observed, topology: ReplicatedPostgres, tools: PlanTools): Plan {
  if (observed.credentials === 'missing') {
    return {
      actions: [{ kind: 'renewCredentials' }],
      outcome: { kind: 'again', afterMs: nextCycleMs },
      summary: 'needs passwords and certificates first',
    };
  }
  const decided = decide(observed, topology);
  const { scale, status, document } = decided;
  const stuck = new Set(observed.instances.filter(isStuck).map((it) => it.name));
  const isWritten = isWorthWriting(topology.status, status, observed.statusAgeMs);
  const actions: Action[] = [
    ...withdrawals(observed, decided.instances),
    ...(observed.credentials === 'due' ? [{ kind: 'renewCredentials' } as const] : []),
    ...admissions(observed, decided.instances),
    ...planObjects(observed, topology, choiceOf(decided, topology), tools),
    ...planClaims(observed, topology, scale),
    ...told(planScaleEvents(observed, topology, scale)),
    ...(isWritten ? [{ kind: 'applyStatus', status } as const] : []),
    ...(isWritten ? told(planEvents(topology.status, status, stuck)) : []),
  ];
  return {
    actions,
    outcome: outcomeOf(observed),
    summary: hasLeftovers(observed, topology)
      ? leftovers.message
      : `${document.primary?.name ?? 'nobody'} is primary, ${status.readySummary} are ready, ${status.routableReplicas} serve reads`,
  };
}

function choiceOf({ scale, systemIdentifier, document }: Decided, { metadata }: ReplicatedPostgres) {
  return {
    ordinals: scale.members.flatMap((it) => instanceOrdinal(metadata.name, it) ?? []),
    systemIdentifier: systemIdentifier ?? null,
    endpoints: document,
  };
}

function outcomeOf({ credentials, refusals }: Observed): Outcome {
  if (credentials === 'due') return { kind: 'again', afterMs: nextCycleMs };
  return refusals.length > 0 ? { kind: 'again', afterMs: refusedAgainMs } : { kind: 'settled' };
}

interface Decided {
  readonly scale: Scale;
  readonly instances: readonly InstanceStatus[];
  readonly document: EndpointsDocument;
  readonly systemIdentifier: string | undefined;
  readonly status: ReturnType<typeof planStatus>;
}

function decide(observed: Observed, topology: ReplicatedPostgres): Decided {
  const primary = knownPrimary(observed, topology);
  const systemIdentifier = topology.status?.systemIdentifier ?? observed.lease?.systemIdentifier;
  const scale = planScale({
    topology: topology.metadata.name,
    wanted: topology.spec.instances,
    members: knownMembers(observed, topology),
    primary: primary ?? observed.lease?.holder,
    mayRemove: mayRemove(observed, topology),
  });
  const instances = judgeMembers(observed, topology, { scale, primary, systemIdentifier });
  const document = planDocument(observed, topology, { instances, primary, systemIdentifier });
  const obstacle = judgeObstacle(observed, topology);
  const status = planStatus({
    topology: topology.metadata.name,
    generation: topology.metadata.generation,
    wallTime: observed.wallTime,
    previous: topology.status,
    wanted: topology.spec.instances,
    instances,
    existing: observed.instances.length,
    document,
    systemIdentifier,
    routing: judgeRouting(observed, topology, document),
    obstacle,
    poolers: observed.poolers,
    wantedPoolers: {
      readWrite: topology.spec.pooler.readWrite.instances,
      readOnly: topology.spec.pooler.readOnly.instances,
    },
  });
  return { scale, instances, document, systemIdentifier, status };
}

const leftovers: Problem = {
  reason: 'LeftoversRemain',
  message: 'waits until what an earlier topology of this name has left is removed',
};

function judgeObstacle(observed: Observed, topology: ReplicatedPostgres): Problem | undefined {
  if (hasLeftovers(observed, topology)) return leftovers;
  if (observed.refusals.length === 0) return undefined;
  return { reason: 'ObjectsRefused', message: observed.refusals.map((it) => it.message).join('; ') };
}

/** A document that cannot be published is not spoken of, or each cycle would count one more. */
function judgeRouting(
  observed: Observed,
  topology: ReplicatedPostgres,
  document: EndpointsDocument,
): RoutingFacts {
  const { endpoints, refusals } = observed;
  const { endpointsConfigMap } = objectNames(topology.metadata.name);
  const refusal = refusals.find((it) => it.object === `ConfigMap/${endpointsConfigMap}`);
  const problem = hasLeftovers(observed, topology)
    ? leftovers
    : refusal && { reason: 'Refused', message: refusal.message };
  if (problem === undefined) return { generation: document.generation, problem };
  return { generation: endpoints?.generation ?? topology.status?.routing?.generation ?? 0, problem };
}

/**
 * The holder of the Lease once the database exists. A Lease that is missing, or that nobody holds, is not news of another
 * primary: then it is the one that was published last.
 */
function knownPrimary({ lease, endpoints }: Observed, { status }: ReplicatedPostgres): string | undefined {
  const isInitialized = lease?.systemIdentifier !== undefined || status?.systemIdentifier !== undefined;
  if (lease?.holder !== undefined && isInitialized) return lease.holder;
  return endpoints?.primary?.name ?? status?.primary?.name;
}

/**
 * Whether instances may be removed. With a database that exists, only by a Lease that says which of them writes it: what was
 * published last may be old, and the holder may be the very one that would go.
 */
function mayRemove(
  { lease, endpoints, config }: Observed,
  { metadata, status }: ReplicatedPostgres,
): boolean {
  if (lease?.holder !== undefined) return instanceOrdinal(metadata.name, lease.holder) !== undefined;
  const known = [
    lease?.systemIdentifier,
    status?.systemIdentifier,
    endpoints?.topology.systemIdentifier,
    config?.systemIdentifier,
  ];
  return known.every((it) => it === undefined || it === null);
}

/** The published configuration is the record of who is a member: a StatefulSet deleted by hand is still one. */
function knownMembers(
  { config, instances }: Observed,
  { metadata, status }: ReplicatedPostgres,
): readonly string[] {
  if (config !== undefined && config.topology.uid === metadata.uid)
    return config.instances.map((it) => it.name);
  return [...(status?.instances ?? []), ...instances].map((it) => it.name);
}

function judgeMembers(
  observed: Observed,
  topology: ReplicatedPostgres,
  known: { scale: Scale; primary: string | undefined; systemIdentifier: string | undefined },
): readonly InstanceStatus[] {
  const maxPromotableLagBytes = parseBytes(topology.spec.failover.maxLagBytes);
  return known.scale.members.map((name) =>
    judgeInstance(
      name,
      observed.instances.find((it) => it.name === name),
      {
        primary: known.primary,
        systemIdentifier: known.systemIdentifier,
        maxPromotableLagBytes,
        previous: topology.status?.instances?.find((it) => it.name === name),
      },
    ),
  );
}

function planDocument(
  observed: Observed,
  topology: ReplicatedPostgres,
  known: {
    instances: readonly InstanceStatus[];
    primary: string | undefined;
    systemIdentifier: string | undefined;
  },
): EndpointsDocument {
  const holder = known.instances.find((it) => it.name === known.primary);
  return planEndpoints({
    topology,
    published: observed.endpoints,
    wallTime: observed.wallTime,
    systemIdentifier: known.systemIdentifier,
    epoch: observed.lease?.epoch ?? 0,
    timeline: observed.lease?.timeline,
    primary: known.primary === undefined ? undefined : { name: known.primary, zone: holder?.zone ?? null },
    replicas: known.instances
      .filter((it) => it.name !== known.primary)
      .map((it) => ({
        name: it.name,
        zone: it.zone ?? null,
        routable: it.routable,
        reason: it.reason ?? null,
        lagSeconds: it.lagSeconds,
        lagBytes: it.lagBytes,
      })),
  });
}

/** Pods that carry the label of the readable ones and must not: late replicas, the primary, instances that go. */
function withdrawals({ instances }: Observed, judged: readonly InstanceStatus[]): readonly Action[] {
  return instances.flatMap(({ pod, name }) => {
    const isRoutable = judged.find((it) => it.name === name)?.routable === true;
    if (pod === undefined || isRoutable || pod.routableLabel === 'false') return [];
    return [{ kind: 'labelRoutable', pod: pod.name, uid: pod.uid, isRoutable: false } as const];
  });
}

function admissions({ instances }: Observed, judged: readonly InstanceStatus[]): readonly Action[] {
  return instances.flatMap(({ pod, name }) => {
    const isRoutable = judged.find((it) => it.name === name)?.routable === true;
    if (pod === undefined || !isRoutable || pod.routableLabel === 'true') return [];
    return [{ kind: 'labelRoutable', pod: pod.name, uid: pod.uid, isRoutable: true } as const];
  });
}

const told = (events: readonly TopologyEvent[]): readonly Action[] =>
  events.map((event) => ({ kind: 'recordEvent', event }));
