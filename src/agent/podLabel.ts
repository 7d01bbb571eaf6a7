// The role label on our own pod: what the primary Service selects by.

import { labels } from '../api/names.ts';
import type { KubeClient } from '../kube/client.ts';
import { resources } from '../kube/resources.ts';
import { getObject, mergePatch } from '../kube/verbs.ts';
import type { Clock } from '../lib/clock.ts';
import type { AgentSettings } from './agentSettings.ts';

export type PodRole = 'primary' | 'replica' | null;

/** A label that somebody changed by hand is noticed within this. */
const readEveryMs = 4_000;

export class PodLabel {
  readonly #kube: KubeClient;
  readonly #settings: AgentSettings;
  readonly #clock: Clock;
  #role: PodRole | undefined;

  constructor(kube: KubeClient, settings: AgentSettings, clock: Clock) {
    this.#kube = kube;
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Undefined until the pod was read once. */
  get role(): PodRole | undefined {
    return this.#role;
  }

  /** Throws when the API server does not take it; the next cycle tries again. */
  async put(role: PodRole, signal: AbortSignal): Promise<void> {
    const patch = { metadata: { uid: this.#settings.podUid, labels: { [labels.role]: role } } };
    await mergePatch(this.#kube, resources.Pod, this.#ref(), patch, signal);
    this.#role = role;
  }

  /** Reads the label until the signal is aborted. When it cannot be read, the last reading stays. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const pod = await getObject(this.#kube, resources.Pod, this.#ref(), signal);
        const role = pod?.metadata.labels?.[labels.role];
        if (pod !== undefined) this.#role = role === 'primary' || role === 'replica' ? role : null;
      } catch {
        // The Lease's reader reports an API server that does not answer.
      }
      await this.#clock.sleep(readEveryMs, signal).catch(() => {});
    }
  }

  #ref() {
    return { namespace: this.#settings.namespace, name: this.#settings.podName };
  }
}
