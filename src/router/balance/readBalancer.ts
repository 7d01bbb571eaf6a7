// Keeps what the replicas have to do, and how they do it, from read to read. In: reads that begin and end. Out: facts for `planRead`.
//
// Invariant: every read that was started is finished once, so that what is in flight is what is under way. A replica that begins to
// serve starts at the average of the turns, so it neither is flooded with what it has missed nor waits for what it has not.

import { afterLatency, type Latency } from './latency.ts';
import { type Candidate, mostSavedTurns, payTurn, type Strategy } from './pickReplica.ts';
import type { ReadChoice } from './planRead.ts';
import type { BalanceFacts } from './readFacts.ts';

export interface BalanceSettings {
  readonly strategy: Strategy;
  readonly zone: string | null;
  readonly zoneSpillInFlight: number;
  readonly slowStartMs: number;
}

interface Load {
  readonly name: string;
  inFlight: number;
  latency: Latency | null;
  turn: number;
  /** When it was last a candidate. */
  share: number;
  /** Infinity while it does not. */
  servingSinceMs: number;
  answeredAtMs: number;
}

/** How a read on an instance ended. Only an answer tells how fast the instance is. */
export type ReadOutcome = 'answered' | 'failed';

export class ReadBalancer {
  readonly #settings: BalanceSettings;
  readonly #random: () => number;
  readonly #loads = new Map<string, Load>();
  #hasServed = false;

  constructor(settings: BalanceSettings, random: () => number) {
    this.#settings = settings;
    this.#random = random;
  }

  /** For one decision: the loads go on changing. */
  facts(): BalanceFacts {
    const { strategy, zone, zoneSpillInFlight, slowStartMs } = this.#settings;
    return { strategy, zone, zoneSpillInFlight, slowStartMs, loads: this.#loads, random: this.#random() };
  }

  /** Who serves now. One that did not before gets its share step by step; those that serve from the beginning do not. */
  noteServing(names: readonly string[], nowMs: number): void {
    const since = this.#hasServed ? nowMs : Number.NEGATIVE_INFINITY;
    for (const name of names) {
      const load = this.#loads.get(name);
      if (load === undefined) this.#loads.set(name, this.#newLoad(name, since));
      else if (load.servingSinceMs === Number.POSITIVE_INFINITY) load.servingSinceMs = since;
    }
    for (const [name, load] of this.#loads) {
      if (!names.includes(name)) load.servingSinceMs = Number.POSITIVE_INFINITY;
    }
    this.#hasServed ||= names.length > 0;
  }

  /** Forgets who is not in the topology any more, once it has nothing under way. */
  follow(names: ReadonlySet<string>): void {
    for (const [name, { inFlight }] of this.#loads) {
      if (!names.has(name) && inFlight === 0) this.#loads.delete(name);
    }
  }

  started(choice: Extract<ReadChoice, { kind: 'replica' }>): void {
    for (const { endpoint, share } of choice.candidates) {
      const load = this.#loads.get(endpoint.name);
      if (load !== undefined) load.share = share;
    }
    const { name } = choice.endpoint;
    payTurn(this.#savers(choice.candidates), name);
    const load = this.#loads.get(name) ?? this.#newLoad(name, Number.NEGATIVE_INFINITY);
    load.inFlight += 1;
    this.#loads.set(name, load);
  }

  finished(name: string, outcome: ReadOutcome, startedAtMs: number, nowMs: number): void {
    const load = this.#loads.get(name);
    if (load === undefined) return;
    load.inFlight -= 1;
    if (outcome === 'failed') return;
    load.latency = afterLatency(load.latency, nowMs - startedAtMs, nowMs);
    load.answeredAtMs = nowMs;
  }

  /** When it last answered a read; -Infinity when it has not. */
  answeredAtMs(name: string): number {
    return this.#loads.get(name)?.answeredAtMs ?? Number.NEGATIVE_INFINITY;
  }

  #savers(candidates: readonly Candidate[]): readonly Load[] {
    const savers: Load[] = [];
    for (const load of this.#loads.values()) {
      const isBystander = load.servingSinceMs !== Number.POSITIVE_INFINITY && load.turn < mostSavedTurns;
      if (isBystander || candidates.some(({ endpoint }) => endpoint.name === load.name)) savers.push(load);
    }
    return savers;
  }

  /** Somewhere below one turn, so that not every process begins with the same replica. */
  #newLoad(name: string, servingSinceMs: number): Load {
    const turn = this.#random();
    return {
      name,
      inFlight: 0,
      latency: null,
      turn,
      share: 1,
      servingSinceMs,
      answeredAtMs: Number.NEGATIVE_INFINITY,
    };
  }
}
