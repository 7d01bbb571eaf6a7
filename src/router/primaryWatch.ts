// Keeps asking the instances who the primary is, and what they have written and replayed.
//
// Invariant: a topology without replicas is not asked: there is nobody else to find, and the one primary tells by its errors.

import type { EndpointsDocument, PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { type FoundPrimary, findPrimary, noMemory, type PrimaryMemory } from './findPrimary.ts';
import { InstanceProber } from './instanceProber.ts';
import type { Observation } from './observation.ts';
import type { ConnectProbe } from './probeConnection.ts';
import type { Topology } from './sources/topologySource.ts';

export interface PrimaryWatchDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly connect: ConnectProbe;
  readonly everyMs: number;
  readonly onObservation: (observation: Observation) => void;
  /** Who writes go to is another one than before, or nobody. */
  readonly onPrimary: (document: EndpointsDocument, primary: PrimaryEndpoint | null) => void;
}

export class PrimaryWatch {
  readonly #deps: PrimaryWatchDeps;
  #prober: InstanceProber | undefined;
  #memory: PrimaryMemory = noMemory;
  #document: EndpointsDocument | undefined;
  #found: FoundPrimary | undefined;

  constructor(deps: PrimaryWatchDeps) {
    this.#deps = deps;
  }

  get observations(): ReadonlyMap<string, Observation> {
    return this.#prober?.observations ?? nothing;
  }

  /** Who may be written to; undefined until there is a topology. */
  get found(): FoundPrimary | undefined {
    return this.#found;
  }

  follow(topology: Topology): void {
    this.#document = topology.document;
    this.#found = undefined;
    if (this.#prober !== undefined || topology.document.replicas.length > 0) {
      this.#prober ??= this.#startProber();
      this.#prober.follow(topology);
    }
    this.#judge();
  }

  /** News is to be expected: a statement failed, or a write was acknowledged. */
  wake(reason: string): void {
    this.#prober?.wake(reason);
  }

  async end(): Promise<void> {
    await this.#prober?.end();
  }

  #startProber(): InstanceProber {
    const prober = new InstanceProber(this.#deps);
    prober.onObservation((observation) => {
      this.#deps.onObservation(observation);
      this.#judge();
    });
    prober.onStandstill(() => this.#judge());
    return prober;
  }

  #judge(): void {
    if (this.#document === undefined) return;
    const before = this.#found;
    this.#found = findPrimary(this.#document, this.observations, this.#memory);
    const { memory, primary, reason } = this.#found;
    this.#memory = memory;
    if (before !== undefined && before.primary?.name === primary?.name) return;
    if (before !== undefined)
      this.#deps.log.info({ primary: primary?.name ?? null, reason }, 'another primary');
    this.#deps.onPrimary(this.#document, primary);
  }
}

const nothing: ReadonlyMap<string, Observation> = new Map();
