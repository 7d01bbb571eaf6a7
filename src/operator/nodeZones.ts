import { ApiError } from '../kube/apiError.ts';
import type { KubeClient } from '../kube/client.ts';
import { resources } from '../kube/resources.ts';
import { getObject } from '../kube/verbs.ts';
import type { Clock } from '../lib/clock.ts';

const zoneLabel = 'topology.kubernetes.io/zone';

/** Nodes do not move between zones; ten minutes bound how long a new label, or a right that was missing, goes unnoticed. */
const maxAgeMs = 600_000;

/** Beyond this the cache starts over; clusters have no more nodes than this. */
const maxNodes = 10_000;

/** Tells the zones of nodes, asking the API server once in a while for each. */
export class NodeZones {
  readonly #known = new Map<string, { readonly zone: string | null; readonly at: number }>();
  readonly #client: KubeClient;
  readonly #clock: Clock;

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Null when the node has no zone, or is not for us to read. */
  async zoneOf(node: string, signal: AbortSignal): Promise<string | null> {
    const known = this.#known.get(node);
    if (known !== undefined && this.#clock.now() - known.at < maxAgeMs) return known.zone;
    const zone = await this.#read(node, signal);
    if (this.#known.size >= maxNodes) this.#known.clear();
    this.#known.set(node, { zone, at: this.#clock.now() });
    return zone;
  }

  async #read(node: string, signal: AbortSignal): Promise<string | null> {
    try {
      const found = await getObject(this.#client, resources.Node, { name: node }, signal);
      return found?.metadata.labels?.[zoneLabel] ?? null;
    } catch (error) {
      // An operator that may watch named namespaces only has no right to read nodes, and can do without zones.
      if (error instanceof ApiError && error.status === 403) return null;
      throw error;
    }
  }
}
