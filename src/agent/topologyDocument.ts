// The topology's settings as the operator last wrote them. Polled: a change of settings may take two seconds,
// and an agent must not need more of the API server than one object by name.

import { objectNames } from '../api/names.ts';
import { parseTopologyConfig, type TopologyConfig, topologyConfigKey } from '../api/topologyConfig.ts';
import type { KubeClient } from '../kube/client.ts';
import { resources } from '../kube/resources.ts';
import { getObject } from '../kube/verbs.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { AgentSettings } from './agentSettings.ts';

const readEveryMs = 2_000;

export interface TopologyDocumentDeps {
  readonly kube: KubeClient;
  readonly settings: AgentSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly onChange: () => void;
}

export class TopologyDocument {
  readonly #deps: TopologyDocumentDeps;
  #text = '';
  #config: TopologyConfig | null = null;
  #complaint = '';

  constructor(deps: TopologyDocumentDeps) {
    this.#deps = deps;
  }

  /** The last document that could be read; null when there was none yet. */
  get config(): TopologyConfig | null {
    return this.#config;
  }

  /** Reads until the signal is aborted. A document that is gone or broken leaves the last good one in force. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#read(signal);
        this.#complaint = '';
      } catch (error) {
        if (signal.aborted) return;
        this.#complain(error);
      }
      await this.#deps.clock.sleep(readEveryMs, signal).catch(() => {});
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { namespace, topology } = this.#deps.settings;
    const name = objectNames(topology).configConfigMap;
    const object = await getObject(this.#deps.kube, resources.ConfigMap, { namespace, name }, signal);
    const text = object?.data?.[topologyConfigKey];
    if (text === undefined)
      throw new Error(`ConfigMap ${name} holds no ${topologyConfigKey}, is the operator running`);
    if (text === this.#text) return;
    this.#config = parseTopologyConfig(text);
    this.#text = text;
    this.#deps.onChange();
  }

  #complain(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (text === this.#complaint) return;
    this.#complaint = text;
    this.#deps.log.warn({ err: error }, 'the settings of the topology cannot be read');
  }
}
