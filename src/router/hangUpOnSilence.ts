// Gives up what waits for an instance that says nothing any more, as when its node is lost: nobody closes its connections, Node.js
// cannot limit how long sent data may stay unacknowledged, and the kernel goes on trying for a quarter of an hour.
//
// Invariant: only silence counts, and only a long one. An instance that refuses, hangs up, or answers one of several probes keeps
// everything that is under way there, because a write that is given up has an unknown outcome.

import type { Log } from '../lib/log.ts';
import type { InstanceProber } from './instanceProber.ts';
import type { PoolSet } from './poolSet.ts';

/** Less than a failover takes that begins with the loss of a node; more than a server is held up by a checkpoint or by logins. */
const silentForMs = 10_000;

/** Each on a new connection, so that it is not one connection that is lost. */
const leastProbes = 5;

/** From the creation of the prober to its end. Keeps one entry for each instance that is silent. */
export function hangUpOnSilence(prober: InstanceProber, pools: PoolSet, log: Log): void {
  const silences = new Map<string, { readonly sinceMs: number; readonly probes: number }>();
  prober.onStandstill(() => silences.clear());
  prober.onObservation(({ instance, startedAtMs, endedAtMs, probe }) => {
    const { sinceMs, probes } = silences.get(instance) ?? { sinceMs: startedAtMs, probes: 0 };
    silences.delete(instance);
    if (probe.kind === 'answered' || probe.isSilent !== true) return;
    silences.set(instance, { sinceMs, probes: probes + 1 });
    if (!pools.isInUse(instance)) return;
    prober.wake('somebody waits for an instance that says nothing');
    const silentMs = endedAtMs - sinceMs;
    if (probes + 1 < leastProbes || silentMs < silentForMs) return;
    log.warn({ instance, silentMs }, 'instance says nothing, so that what waits for it is given up');
    pools.hangUp(instance);
  });
}
