// Gives up what waits for an instance that says nothing any more, as when its node is lost: nobody closes its connections, Node.js
// cannot limit how long sent data may stay unacknowledged, and the kernel goes on trying for a quarter of an hour.
//
// Invariant: only silence counts. An instance that refuses, hangs up, or answers one of several probes keeps everything that is
// under way there. On the primary only a long silence counts, because a write that is given up has an unknown outcome; what runs on
// a replica is given up as soon as that gets no new reads, if somebody else is there to answer it.

import type { Log } from '../lib/log.ts';
import { failedProbesToRest } from './balance/judgeReplica.ts';
import type { InstanceProber } from './instanceProber.ts';
import type { PoolSet } from './poolSet.ts';

/** Less than a failover takes that begins with the loss of a node; more than a server is held up by a checkpoint or by logins. */
const silentForMs = 10_000;

/** Each on a new connection, so that it is not one connection that is lost. */
const leastProbes = 5;

interface Silence {
  readonly sinceMs: number;
  readonly probes: number;
}

/** Of the router. */
interface Watched {
  readonly pools: PoolSet;
  readonly document:
    | { readonly replicas: readonly { readonly name: string }[]; readonly primary: object | null }
    | undefined;
  readonly planner: { answeredAtMs(name: string): number };
}

/** From the creation of the prober to its end. Keeps one entry for each instance that is silent. */
export function hangUpOnSilence(prober: InstanceProber, router: Watched, log: Log): void {
  const silences = new Map<string, Silence>();
  const { pools } = router;
  const isOver = (instance: string, { sinceMs, probes }: Silence, nowMs: number) =>
    (probes >= leastProbes && nowMs - sinceMs >= silentForMs) ||
    (probes >= failedProbesToRest && isReplaceable(instance, sinceMs, prober, router));
  prober.onStandstill(() => silences.clear());
  prober.onObservation(({ instance, startedAtMs, endedAtMs, probe }) => {
    const before = silences.get(instance);
    silences.delete(instance);
    if (probe.kind === 'answered' || probe.isSilent !== true) return;
    const silence = { sinceMs: before?.sinceMs ?? startedAtMs, probes: (before?.probes ?? 0) + 1 };
    silences.set(instance, silence);
    if (!pools.isInUse(instance)) return;
    prober.wake('somebody waits for an instance that says nothing');
    if (!isOver(instance, silence, endedAtMs)) return;
    const silentMs = endedAtMs - silence.sinceMs;
    log.warn({ instance, silentMs }, 'instance says nothing, so that what waits for it is given up');
    pools.hangUp(instance);
  });
  askAboutSlowReads(prober, router);
}

/** A replica that has answered nothing since then, while another instance has. */
function isReplaceable(instance: string, sinceMs: number, prober: InstanceProber, router: Watched): boolean {
  const isReplica = router.document?.replicas.some(({ name }) => name === instance) === true;
  if (!isReplica || router.planner.answeredAtMs(instance) >= sinceMs) return false;
  return [...prober.observations.values()].some(
    ({ probe, endedAtMs }) => probe.kind === 'answered' && endedAtMs >= sinceMs,
  );
}

/** A read that is under way for a second or more may be slow, or its replica may be gone; one question tells. */
function askAboutSlowReads(prober: InstanceProber, router: Watched): void {
  let before: ReadonlySet<string> = new Set();
  prober.onPulse((sinceMs) => {
    const inUse = (router.document?.replicas ?? []).filter(({ name }) => router.pools.isInUse(name));
    for (const { name } of inUse) {
      const isSlow = before.has(name) && router.planner.answeredAtMs(name) < sinceMs;
      if (isSlow) prober.ask(name);
    }
    before = new Set(inUse.map(({ name }) => name));
  });
}
