// What has happened between two statuses, as events. In: the status that was written last and the one that is true now.
//
// Events follow from the status, so that they are told once per transition, by whoever is leader at that moment.

import type { InstanceStatus, ReplicatedPostgresStatus } from '../api/replicatedPostgresStatus.ts';
import type { TopologyEvent } from './action.ts';

type Status = ReplicatedPostgresStatus | undefined;

/** Every transition from `previous` to `next`, the primary's first. */
export function planEvents(previous: Status, next: ReplicatedPostgresStatus): readonly TopologyEvent[] {
  const before = new Map(previous?.instances?.map((it) => [it.name, it]));
  return [
    ...primaryEvents(previous, next),
    ...(next.instances ?? []).flatMap((it) => instanceEvents(before.get(it.name), it, next.primary?.name)),
    ...conditionEvents(previous, next),
  ];
}

function primaryEvents(previous: Status, next: ReplicatedPostgresStatus): TopologyEvent[] {
  const { primary } = next;
  if (primary === undefined) return [];
  if (previous?.primary?.name === primary.name && previous.primary.epoch === primary.epoch) return [];
  return [normal('PrimaryElected', `${primary.name} is primary since epoch ${primary.epoch}`)];
}

function instanceEvents(
  before: InstanceStatus | undefined,
  now: InstanceStatus,
  primary: string | undefined,
): TopologyEvent[] {
  const events: TopologyEvent[] = [];
  const because = now.reason ?? 'no reason is known';
  if (now.ready && before?.ready !== true) events.push(normal('InstanceReady', `${now.name} answers`));
  if (!now.ready && before?.ready === true)
    events.push(warning('InstanceNotReady', `${now.name}: ${because}`));
  else if (!now.ready && isNewTrouble(before, now))
    events.push(warning('InstanceTrouble', `${now.name}: ${because}`));
  if (now.name === primary) return events;
  if (now.routable && before?.routable !== true) {
    events.push(normal('ReplicaRoutable', `${now.name} serves reads`));
  }
  if (!now.routable && before?.routable === true) {
    events.push(warning('ReplicaNotRoutable', `${now.name} no longer serves reads: ${because}`));
  }
  return events;
}

/** The kubelet's own words, and refusals of the agent; what passes by itself while an instance starts is no news. */
const troublesWorthTelling =
  /^(ErrImagePull|ImagePullBackOff|InvalidImageName|CreateContainer|RunContainerError|StartError|CrashLoopBackOff)|refuse|another|belongs to|version|has no /;

function isNewTrouble(before: InstanceStatus | undefined, now: InstanceStatus): boolean {
  return (
    now.reason !== undefined &&
    now.reason !== before?.reason &&
    troublesWorthTelling.test(now.reason) &&
    now.reason !== 'has no pod'
  );
}

function conditionEvents(previous: Status, next: ReplicatedPostgresStatus): TopologyEvent[] {
  const was = (type: string) => previous?.conditions?.find((it) => it.type === type)?.status;
  return (next.conditions ?? []).flatMap((it) => {
    if (it.type === 'Ready' && it.status === 'True' && was('Ready') !== 'True')
      return [normal('Ready', it.message)];
    if (it.type === 'SpecValid' && it.status === 'False' && was('SpecValid') !== 'False') {
      return [warning('Invalid', it.message)];
    }
    if (it.type === 'PendingRestart' && it.status === 'True' && was('PendingRestart') !== 'True') {
      return [normal('PendingRestart', it.message)];
    }
    return [];
  });
}

const normal = (reason: string, message: string): TopologyEvent => ({ type: 'Normal', reason, message });
const warning = (reason: string, message: string): TopologyEvent => ({ type: 'Warning', reason, message });
