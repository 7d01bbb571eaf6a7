import { apiVersion, kind } from '../api/names.ts';
import type { TopologyEvent } from '../plan/action.ts';
import type { Observed } from '../plan/observed.ts';
import type { Deps } from './deps.ts';

/** Tells an event about the topology. It is written later, in the background. */
export function recordEvent(
  { type, reason, message }: TopologyEvent,
  observed: Observed,
  { events }: Deps,
): void {
  const uid = topologyUidOf(observed);
  const metadata = { ...observed.key, ...(uid === undefined ? {} : { uid }) };
  events.record({
    regarding: { apiVersion, kind, metadata },
    type,
    reason,
    action: 'Reconcile',
    note: message,
  });
}

/** Undefined when the resource is gone. */
export function topologyUidOf({ resource }: Observed): string | undefined {
  if (resource.kind === 'valid') return resource.topology.metadata.uid;
  return resource.kind === 'invalid' ? resource.uid : undefined;
}
