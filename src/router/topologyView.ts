// The topology as it is: what the sources say, corrected by what the instances themselves say.
//
// Invariant: `onChange` sees complete topologies only and has returned before any statement is routed by them. Within the life of
// a view neither the epoch nor the timeline of the primary goes back.

import type { EndpointsDocument } from '../endpoints/endpointsDocument.ts';
import { assert } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { effectiveDocument } from './effectiveDocument.ts';
import { endpointsOf, type FoundPrimary, findPrimary, noMemory, type PrimaryMemory } from './findPrimary.ts';
import type { InstanceProber } from './instanceProber.ts';
import { messageOf } from './judgeFailure.ts';
import type { SwitchoverFacts } from './judgeSwitchover.ts';
import { probeConnectMs } from './probedInstance.ts';
import { RouterError } from './routerError.ts';
import { CombinedSource, type SourceStatus } from './sources/combinedSource.ts';
import type { Topology, TopologySource } from './sources/topologySource.ts';

export interface TopologyViewDeps {
  /** The one to prefer first. */
  readonly sources: readonly TopologySource[];
  /** Without one the documents are taken at their word. */
  readonly prober: InstanceProber | undefined;
  readonly log: Log;
  /** Told of everything that may have changed, after `onChange`. */
  readonly onFacts?: ((facts: SwitchoverFacts) => void) | undefined;
  /** Longest wait of `ready`. */
  readonly firstDocumentTimeoutMs: number;
}

/** For so long the instances are asked at a brisk pace when no primary answers, also without traffic. Failovers are over by then. */
const searchForMs = 60_000;

/** As long as a probe waits for a connection: who says nothing by then is gone, and who is slower says so in a failed probe. */
const firstAnswersMs = probeConnectMs;

export class TopologyView {
  readonly #deps: TopologyViewDeps;
  readonly #source: CombinedSource;
  readonly #onChange: (topology: Topology) => void;
  readonly #first = Promise.withResolvers<void>();
  #published: Topology | undefined;
  #topology: Topology | undefined;
  #found: FoundPrimary | undefined;
  #memory: PrimaryMemory = noMemory;
  #signature = '';
  #searchingSinceMs: number | undefined;

  constructor(deps: TopologyViewDeps, onChange: (topology: Topology) => void) {
    this.#deps = deps;
    this.#onChange = onChange;
    this.#source = new CombinedSource(deps.sources, deps.log);
  }

  /** The topology in use; undefined until the first complete one. */
  get topology(): Topology | undefined {
    return this.#topology;
  }

  /** The document of the topology as its source has published it, whatever the instances say since. */
  get published(): EndpointsDocument | undefined {
    return this.#published?.document;
  }

  /** Who is primary and why, or why nobody is; undefined until there is a topology. */
  get found(): FoundPrimary | undefined {
    return this.#found;
  }

  /** Why what the sources say now is not in use; empty when it is. */
  get problems(): readonly string[] {
    return this.#source.problems;
  }

  /** How the sources are doing, the preferred one first. */
  sources(nowMs: number): readonly SourceStatus[] {
    return this.#source.statuses(nowMs);
  }

  /** Follows until the signal is aborted, then ends the prober. Never rejects. */
  async follow(clock: Clock, signal: AbortSignal): Promise<void> {
    const { prober } = this.#deps;
    const stops = [
      prober?.onObservation(() => this.#update(clock)),
      prober?.onStandstill(() => this.#update(clock)),
    ];
    await this.#source.follow((topology) => this.#publish(topology, clock), clock, signal);
    for (const stop of stops) stop?.();
    await prober?.end();
  }

  /** Resolves once there is a topology, and rejects when there is none in the time that the settings allow. */
  async ready(clock: Clock, signal: AbortSignal): Promise<void> {
    if (this.#topology === undefined) await this.#waitForFirst(clock, signal);
    if (this.#topology === undefined) throw this.#absence();
  }

  /**
   * Resolves when every instance of fixed addresses has answered once, or has failed to. Nobody fences there: a former primary that is
   * alive again takes writes, and with the first answers it is known for what it is. Documents of an operator are not waited for.
   */
  async firstAnswers(clock: Clock, signal: AbortSignal): Promise<void> {
    const { prober } = this.#deps;
    const published = this.#published;
    if (prober === undefined || published === undefined || published.document.epoch > 0) return;
    const isAsked = () => endpointsOf(published.document).every(({ name }) => prober.observations.has(name));
    const asked = Promise.withResolvers<void>();
    const stop = prober.onObservation(() => {
      if (isAsked()) asked.resolve();
    });
    if (isAsked()) asked.resolve();
    const waited = new AbortController();
    const patience = clock.sleep(firstAnswersMs, AbortSignal.any([signal, waited.signal]));
    try {
      await Promise.race([asked.promise, patience]);
    } finally {
      stop();
      waited.abort();
      patience.catch(() => {});
    }
  }

  #publish(topology: Topology, clock: Clock): void {
    this.#published = topology;
    this.#update(clock);
    this.#deps.prober?.follow(topology);
  }

  #update(clock: Clock): void {
    const published = this.#published;
    if (published === undefined) return;
    const observations = this.#deps.prober?.observations ?? new Map();
    const found = findPrimary(published.document, observations, this.#memory);
    this.#memory = found.memory;
    this.#tellReason(found);
    const document = effectiveDocument(published.document, found, observations);
    const { primary, replicas, epoch, generation } = document;
    const signature = JSON.stringify([epoch, generation, primary?.name, replicas]);
    const isLoginSame =
      this.#topology?.credentials === published.credentials &&
      this.#topology.credentialsByName === published.credentialsByName;
    if (signature !== this.#signature || !isLoginSame) {
      this.#signature = signature;
      this.#topology = { ...published, document };
      this.#tell(this.#topology);
      this.#first.resolve();
    }
    const nowMs = clock.now();
    this.#deps.onFacts?.({ published: published.document.switchover ?? null, found, observations, nowMs });
    this.#search(found, nowMs);
  }

  /** As long as no primary answers, somebody may become one at any time. */
  #search(found: FoundPrimary, nowMs: number): void {
    const { prober } = this.#deps;
    const probe = found.primary === null ? undefined : prober?.observations.get(found.primary.name)?.probe;
    const isFine = found.primary !== null && probe?.kind !== 'failed';
    this.#searchingSinceMs = isFine ? undefined : (this.#searchingSinceMs ?? nowMs);
    if (this.#searchingSinceMs !== undefined && nowMs - this.#searchingSinceMs < searchForMs) {
      prober?.wake('no primary answers');
    }
  }

  #tellReason(found: FoundPrimary): void {
    const before = this.#found;
    this.#found = found;
    if (before?.reason === found.reason) return;
    const { reason, epoch, timeline } = found;
    const fields = { primary: found.primary?.name ?? null, epoch, timeline, reason };
    const isChange = before?.primary?.name !== found.primary?.name;
    this.#deps.log[isChange && before !== undefined ? 'warn' : 'debug'](fields, 'primary judged');
  }

  #tell(topology: Topology): void {
    try {
      this.#onChange(topology);
    } catch (error) {
      this.#deps.log.error({ reason: messageOf(error) }, 'could not follow the topology');
    }
  }

  async #waitForFirst(clock: Clock, signal: AbortSignal): Promise<void> {
    const waited = new AbortController();
    const deadline = clock.sleep(this.#deps.firstDocumentTimeoutMs, AbortSignal.any([signal, waited.signal]));
    try {
      await Promise.race([this.#first.promise, deadline]);
    } finally {
      waited.abort();
      deadline.catch(() => {});
    }
  }

  #absence(): RouterError {
    const waited = `after ${this.#deps.firstDocumentTimeoutMs} ms`;
    const problems = this.problems.join('; ');
    const { missing } = this.#source;
    assert(missing !== undefined, 'a source without a topology says what is missing');
    switch (missing) {
      case 'document':
        return new RouterError(
          'RPG_NO_ENDPOINTS',
          `no endpoints document ${waited}, mend its source: ${problems}`,
        );
      case 'validDocument':
        return new RouterError('RPG_ENDPOINTS_INVALID', `no valid endpoints document ${waited}: ${problems}`);
      case 'credentials':
        return new RouterError(
          'RPG_NO_CREDENTIALS',
          `no credentials ${waited}, mount the Secret: ${problems}`,
        );
    }
  }
}
