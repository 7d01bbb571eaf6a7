// What has happened between two statuses, as events. In: the status that was written last and the one that is true now.
//
// Events follow from the status, so that they are told once per transition, by whoever is leader at that moment.

import type { InstanceStatus, ReplicatedPostgresStatus } from '../api/replicatedPostgresStatus.ts';
import type { TopologyEvent } from './action.ts';

type Status = ReplicatedPostgresStatus | undefined;

/**
 * Every transition from `previous` to `next`, the primary's first.
 *
 * @param stuck instances whose trouble does not pass by itself; what others go through while they start is no news
 */
export function planEvents(
  previous: Status,
  next: ReplicatedPostgresStatus,
  stuck: ReadonlySet<string> = new Set(),
): readonly TopologyEvent[] {
  const before = new Map(previous?.instances?.map((it) => [it.name, it]));
  return [
    ...primaryEvents(previous, next),
    ...(next.instances ?? []).flatMap((it) =>
      instanceEvents(before.get(it.name), it, {
        isPrimary: it.name === next.primary?.name,
        isStuck: stuck.has(it.name),
      }),
    ),
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
  { isPrimary, isStuck }: { readonly isPrimary: boolean; readonly isStuck: boolean },
): TopologyEvent[] {
  const events: TopologyEvent[] = [];
  const because = now.reason ?? 'no reason is known';
  if (now.ready && before?.ready !== true) events.push(normal('InstanceReady', `${now.name} answers`));
  if (!now.ready && before?.ready === true)
    events.push(warning('InstanceNotReady', `${now.name}: ${because}`));
  else if (!now.ready && isStuck && now.reason !== before?.reason)
    events.push(warning('InstanceTrouble', `${now.name}: ${because}`));
  if (isPrimary) return events;
  if (now.routable && before?.routable !== true) {
    events.push(normal('ReplicaRoutable', `${now.name} serves reads`));
  }
  if (!now.routable && before?.routable === true) {
    events.push(warning('ReplicaNotRoutable', `${now.name} no longer serves reads: ${because}`));
  }
  return events;
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
