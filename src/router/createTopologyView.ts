// The settings of a router in, its view of the topology out, with sources and prober.

import type { Clock } from '../lib/clock.ts';
import { InstanceProber } from './instanceProber.ts';
import { type ProbeLogin, probeConnections, probeLogin } from './probeConnection.ts';
import { createSources, type SourceSettings } from './sources/createSources.ts';
import type { Topology } from './sources/topologySource.ts';
import { TopologyView } from './topologyView.ts';

export interface ViewSettings extends SourceSettings {
  readonly tls: 'verify-full' | 'off';
  readonly applicationName: string;
  readonly firstDocumentTimeoutMs: number;
  /** Time between two questions to an instance while there is no traffic. Default: 30 s */
  readonly healthCheckIntervalMs?: number | undefined;
}

export interface ViewDeps {
  /** For the prober; must not keep the process alive. */
  readonly backgroundClock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** How the pool logs in, where that is not by the settings. */
  readonly login?: ProbeLogin | undefined;
}

/** Nothing is followed and nothing is asked before `follow`. The prober ends with it. */
export function createTopologyView(
  settings: ViewSettings,
  deps: ViewDeps,
  onChange: (topology: Topology) => void,
): { readonly view: TopologyView; readonly prober: InstanceProber } {
  const { log, firstDocumentTimeoutMs } = settings;
  const prober = new InstanceProber({
    clock: deps.backgroundClock,
    random: deps.random,
    log,
    connect: probeConnections(deps.login ?? probeLogin(settings)),
    everyMs: settings.healthCheckIntervalMs,
  });
  const sources = createSources(settings, deps.random);
  return { prober, view: new TopologyView({ sources, prober, log, firstDocumentTimeoutMs }, onChange) };
}
