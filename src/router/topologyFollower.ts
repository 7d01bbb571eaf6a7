// Follows every source of a topology and goes by the newest that any of them tells.
//
// Invariant: `onChange` sees complete topologies only, each newer than the one before, and has returned before any statement is
// routed by them.

import { compareEndpoints } from '../endpoints/compareEndpoints.ts';
import type { EndpointsDocument } from '../endpoints/endpointsDocument.ts';
import type { Clock } from '../lib/clock.ts';
import { RouterError } from './routerError.ts';
import type { Topology, TopologySource } from './sources/topologySource.ts';

export interface TopologyFollowerOptions {
  readonly sources: readonly TopologySource[];
  /** Longest wait of a statement for the first topology. */
  readonly firstTimeoutMs: number;
  /** Without them everything runs on the primary, whatever the sources tell. */
  readonly useReadReplicas: boolean;
  readonly onChange: (topology: Topology) => void;
}

export class TopologyFollower {
  readonly #options: TopologyFollowerOptions;
  readonly #first = Promise.withResolvers<void>();
  readonly #refusals = new Map<TopologySource, string>();
  #topology: Topology | undefined;
  /** As its source tells it. */
  #told: EndpointsDocument | undefined;

  constructor(options: TopologyFollowerOptions) {
    this.#options = options;
  }

  /** The topology in use; undefined until the first complete one. */
  get topology(): Topology | undefined {
    return this.#topology;
  }

  get sources(): readonly TopologySource[] {
    return this.#options.sources;
  }

  /** Why what the sources tell now is not in use; empty when it is. */
  get problems(): readonly string[] {
    return [...this.sources.flatMap(({ problems }) => problems), ...this.#refusals.values()];
  }

  /** What is known without waiting is in use when this returns its promise, which resolves after the signal is aborted. */
  async follow(clock: Clock, signal: AbortSignal): Promise<void> {
    const take = (source: TopologySource) => (topology: Topology) => this.#take(source, topology);
    await Promise.all(this.sources.map((source) => source.follow(take(source), clock, signal)));
  }

  /** Resolves once there is a topology, and rejects when there is none in time. */
  async ready(clock: Clock, signal: AbortSignal): Promise<void> {
    if (this.#topology === undefined) await this.#waitForFirst(clock, signal);
    if (this.#topology === undefined) throw this.#absence();
  }

  #take(source: TopologySource, topology: Topology): void {
    const { document } = topology;
    const order = this.#told === undefined ? 'newer' : compareEndpoints(document, this.#told);
    this.#refusals.delete(source);
    if (order === 'otherTopology') {
      this.#refusals.set(source, `${source.origin}: is about another topology than the other sources`);
    }
    // The same document comes again with another login.
    if (order === 'newer' || order === 'same') this.#use(topology);
  }

  #use(topology: Topology): void {
    const { useReadReplicas, onChange } = this.#options;
    this.#told = topology.document;
    this.#topology = useReadReplicas
      ? topology
      : { ...topology, document: { ...topology.document, replicas: [] } };
    onChange(this.#topology);
    this.#first.resolve();
  }

  async #waitForFirst(clock: Clock, signal: AbortSignal): Promise<void> {
    const waited = new AbortController();
    const deadline = clock.sleep(this.#options.firstTimeoutMs, AbortSignal.any([signal, waited.signal]));
    try {
      await Promise.race([this.#first.promise, deadline]);
    } finally {
      waited.abort();
      deadline.catch(() => {});
    }
  }

  #absence(): RouterError {
    const waited = `after ${this.#options.firstTimeoutMs} ms`;
    const problems = this.problems.join('; ');
    const missing = this.sources.map((source) => source.missing);
    if (missing.includes('credentials')) {
      return new RouterError('RPG_NO_CREDENTIALS', `no credentials ${waited}, mount the Secret: ${problems}`);
    }
    return missing.includes('validDocument')
      ? new RouterError('RPG_ENDPOINTS_INVALID', `no valid endpoints document ${waited}: ${problems}`)
      : new RouterError(
          'RPG_NO_ENDPOINTS',
          `no endpoints document ${waited}, mount the ConfigMap: ${problems}`,
        );
  }
}
