// Several sources of one topology, the one to prefer first: a watch or stream for speed, a file for the start and for the day on
// which the faster one is away.
//
// Invariant: of all that the sources say the newest document is in use, by (epoch, generation); of equal ones that of the
// preferred source. Fixed addresses (epoch 0, generation 0) are a seed that any document of another source replaces for good.

import { compareEndpoints } from '../../endpoints/compareEndpoints.ts';
import type { EndpointsDocument } from '../../endpoints/endpointsDocument.ts';
import { assert } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { messageOf } from '../judgeFailure.ts';
import { isSameLogin } from './credentialsDirectory.ts';
import type { MissingPart, Topology, TopologySource } from './topologySource.ts';

/** How one source is doing, for people. */
export interface SourceStatus {
  readonly origin: string;
  readonly isInUse: boolean;
  readonly epoch: number | null;
  readonly generation: number | null;
  /** Since the source last confirmed what it says; null before the first time. */
  readonly ageMs: number | null;
  readonly problems: readonly string[];
}

export class CombinedSource implements TopologySource {
  readonly #sources: readonly TopologySource[];
  readonly #log: Log;
  #inUse: { readonly source: TopologySource; readonly topology: Topology } | undefined;
  #onChange: ((topology: Topology) => void) | undefined;

  constructor(sources: readonly TopologySource[], log: Log) {
    assert(sources.length > 0, 'there is at least one source of the topology');
    this.#sources = sources;
    this.#log = log;
  }

  get origin(): string {
    return this.#sources.map(({ origin }) => origin).join(', ');
  }

  get topology(): Topology | undefined {
    return this.#inUse?.topology;
  }

  get problems(): readonly string[] {
    return this.#sources.flatMap((source) => [...source.problems, ...this.#strangeness(source)]);
  }

  get missing(): MissingPart | undefined {
    if (this.#inUse !== undefined) return undefined;
    const missing = this.#sources.map((it) => it.missing);
    return (['credentials', 'validDocument'] as const).find((it) => missing.includes(it)) ?? 'document';
  }

  get confirmedAtMs(): number | undefined {
    return this.#inUse?.source.confirmedAtMs;
  }

  /** In the order of preference. */
  statuses(nowMs: number): readonly SourceStatus[] {
    return this.#sources.map((source) => ({
      origin: source.origin,
      isInUse: source === this.#inUse?.source,
      epoch: source.topology?.document.epoch ?? null,
      generation: source.topology?.document.generation ?? null,
      ageMs: source.confirmedAtMs === undefined ? null : Math.max(0, nowMs - source.confirmedAtMs),
      problems: [...source.problems, ...this.#strangeness(source)],
    }));
  }

  async follow(onChange: (topology: Topology) => void, clock: Clock, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#onChange = onChange;
    await Promise.all(this.#sources.map((it) => it.follow(() => this.#choose(), clock, signal)));
  }

  #choose(): void {
    const before = this.#inUse?.topology;
    for (const source of this.#sources) {
      const { topology } = source;
      if (topology !== undefined && this.#isBetter(source, topology.document)) {
        this.#inUse = { source, topology: keepSame(topology, this.#inUse?.topology) };
      }
    }
    const topology = this.#inUse?.topology;
    if (topology === undefined || topology === before) return;
    try {
      this.#onChange?.(topology);
    } catch (error) {
      this.#log.error({ origin: this.origin, reason: messageOf(error) }, 'a listener of endpoints failed');
    }
  }

  #isBetter(source: TopologySource, document: EndpointsDocument): boolean {
    if (this.#inUse === undefined) return true;
    const current = this.#inUse.topology.document;
    if (isSeed(current) !== isSeed(document)) return isSeed(current);
    switch (compareEndpoints(document, current)) {
      case 'newer':
        return true;
      case 'same':
        return this.#sources.indexOf(source) <= this.#sources.indexOf(this.#inUse.source);
      case 'older':
      case 'otherTopology':
        return false;
    }
  }

  #strangeness(source: TopologySource): string[] {
    const document = source.topology?.document;
    const current = this.#inUse?.topology.document;
    if (document === undefined || current === undefined || isSeed(document) !== isSeed(current)) return [];
    if (compareEndpoints(document, current) !== 'otherTopology') return [];
    return [
      `${source.origin}: is about another topology than ${this.#inUse?.source.origin}, which is in use`,
    ];
  }
}

function isSeed({ epoch, generation }: EndpointsDocument): boolean {
  return epoch === 0 && generation === 0;
}

/** Two sources that say the same say it with different objects, but connections must stay. */
function keepSame(topology: Topology, current: Topology | undefined): Topology {
  if (current === undefined || topology.credentialsByName !== current.credentialsByName) return topology;
  const isLoginSame = isSameLogin(topology.credentials, current.credentials);
  if (!isLoginSame) return topology;
  const isDocumentSame =
    isSeed(topology.document) === isSeed(current.document) &&
    compareEndpoints(topology.document, current.document) === 'same';
  return isDocumentSame ? current : { ...topology, credentials: current.credentials };
}
