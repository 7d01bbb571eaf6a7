import { connectionSettings } from './connectionSettings.ts';
import { InstanceProber } from './instanceProber.ts';
import { type ConnectProbe, type ProbeLogin, probeConnections, probeLogin } from './probeConnection.ts';
import type { RouterDeps } from './router.ts';
import type { RouterSettings } from './routerOptions.ts';
import type { TopologySource } from './sources/topologySource.ts';

/**
 * None where there is nobody else to find: a topology that never changes and has a primary only, which tells by its errors how it
 * is. A pool over one server has no connections but its own.
 */
export function makeProber(
  settings: RouterSettings,
  deps: RouterDeps,
  sources: readonly TopologySource[],
): InstanceProber | undefined {
  const isAlone = sources.every(
    ({ origin, topology }) => origin === 'static' && topology?.document.replicas.length === 0,
  );
  if (isAlone) return undefined;
  return new InstanceProber({
    clock: deps.backgroundClock,
    random: deps.random,
    log: settings.log,
    connect: connectProbeOf(settings),
    everyMs: settings.healthCheckIntervalMs,
  });
}

/** Connections beside those of the pools. */
export function connectProbeOf(settings: RouterSettings): ConnectProbe {
  return probeConnections(loginOf(settings));
}

/** As the connections of the pools. */
function loginOf(settings: RouterSettings): ProbeLogin {
  if (settings.driver === undefined) return probeLogin(settings);
  return ({ host, port, credentials }) => connectionSettings({ host, port }, credentials, settings);
}
