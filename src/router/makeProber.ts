import { connectionSettings, probeLogin } from './connectionSettings.ts';
import { InstanceProber } from './instanceProber.ts';
import { type ProbeTarget, probeConnections } from './probeConnection.ts';
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
    connect: probeConnections(probeSettings(settings)),
    everyMs: settings.healthCheckIntervalMs,
  });
}

/** As the connections of the pools. */
function probeSettings(settings: RouterSettings) {
  const { tls, applicationName, driver } = settings;
  if (driver === undefined) return { tls, applicationName };
  const configOf = ({ host, port, credentials }: ProbeTarget) =>
    probeLogin(connectionSettings({ host, port }, credentials, settings));
  return { tls, applicationName: driver.application_name ?? applicationName, configOf };
}
