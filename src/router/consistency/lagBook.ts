// Keeps what the probes say of positions, and turns it into facts for `planRead`. In: observations. Out: a `LagView`.
//
// Invariant: samples count only of the instance that is followed as the primary, and only of its newest timeline. A position of a
// replica counts only while nothing suggests that the replica has been restarted since: replay never goes back in a running server,
// but a standby that crashed begins below what it had shown.

import type { EndpointsDocument } from '../../endpoints/endpointsDocument.ts';
import {
  addLagAnchor,
  type LagAnchor,
  type LagAnchors,
  newestPosition,
  noAnchors,
} from '../../postgres/lagAnchors.ts';
import type { AnsweredProbe, Observation } from '../observation.ts';
import { type FreshnessLimits, graceSamples } from './freshness.ts';
import type { Lag, LagView, PrimaryView, ReplicaView } from './lagView.ts';
import { freshAsOf } from './measureLag.ts';
import {
  afterAnswer,
  afterForeignAnswer,
  afterSilence,
  newRecord,
  type ReplicaRecord,
  unmeasured,
  withoutPosition,
} from './replicaRecord.ts';

/** Each listener costs a comparison per probe, of which there are four a second and instance. */
const maxListeners = 1_000;

const noSample = { startedAtMs: Number.NEGATIVE_INFINITY, endedAtMs: Number.NEGATIVE_INFINITY };

export class LagBook {
  #document: EndpointsDocument | undefined;
  #primaryName: string | null = null;
  #primaryAnswers = false;
  /** The newest sample of the primary. */
  #sample = noSample;
  #written = noAnchors;
  #covering = noAnchors;
  readonly #records = new Map<string, ReplicaRecord>();
  readonly #newest = new Map<string, Observation>();
  #view: LagView | undefined;
  readonly #listeners = new Set<() => void>();

  /**
   * Call before anything is routed by a new document, or to a new primary. `primary` is who writes go to; while there is nobody, what
   * the last one had still says what replicas must have.
   */
  follow(document: EndpointsDocument, primary: string | null): void {
    this.#document = document;
    const names = new Set(document.replicas.map(({ name }) => name).concat(document.primary?.name ?? []));
    if (primary !== null) names.add(primary);
    for (const name of this.#newest.keys()) if (!names.has(name)) this.#newest.delete(name);
    for (const name of this.#records.keys()) {
      if (!names.has(name) || name === primary) this.#records.delete(name);
    }
    if (primary === null) this.#primaryAnswers = false;
    else if (primary !== this.#primaryName) this.#followPrimary(primary);
    this.#changed();
  }

  note(observation: Observation): void {
    const { instance } = observation;
    const known = this.#newest.get(instance);
    // Answers may overtake each other when a probe was given up and asked again.
    if (known !== undefined && observation.startedAtMs < known.startedAtMs) return;
    this.#newest.set(instance, observation);
    if (instance === this.#primaryName) this.#notePrimary(observation);
    else this.#records.set(instance, this.#judgeReplica(instance, observation));
    this.#changed();
  }

  /** A connection broke: the instance may have been restarted, and a standby begins below what it had shown. */
  noteConnectionLost(instance: string, atMs: number): void {
    const record = this.#records.get(instance);
    if (record === undefined) return;
    this.#records.set(instance, withoutPosition(record, atMs));
    this.#changed();
  }

  /**
   * Calls whenever something may have changed; returns what stops that. Undefined when too many listen already: who waits for a
   * position can as well go to the primary.
   */
  onChange(listener: () => void): (() => void) | undefined {
    if (this.#listeners.size >= maxListeners) return undefined;
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  lagOf(instance: string): Lag {
    const replica = this.view.replicas.get(instance);
    return replica?.lag ?? unmeasured('has not been observed');
  }

  /** All that is known now; the same value until something changes. */
  get view(): LagView {
    this.#view ??= { primary: this.#primaryView(), replicas: this.#replicaViews() };
    return this.#view;
  }

  #changed(): void {
    this.#view = undefined;
    for (const listener of this.#listeners) listener();
  }

  #followPrimary(primary: string): void {
    this.#primaryName = primary;
    this.#primaryAnswers = false;
    this.#written = noAnchors;
    this.#covering = noAnchors;
    this.#sample = noSample;
    const seen = this.#newest.get(primary);
    if (seen !== undefined) this.#notePrimary(seen);
  }

  #notePrimary({ probe, startedAtMs, endedAtMs }: Observation): void {
    const sample =
      probe.kind === 'answered' && this.#isOurs(probe) && probe.role === 'primary' ? probe : null;
    // Positions without their timeline cannot be compared with anything.
    const timeline = sample?.timeline ?? null;
    this.#primaryAnswers = timeline !== null && timeline >= this.#written.timeline;
    if (sample === null || timeline === null || !this.#primaryAnswers || sample.lsn === null) return;
    const { lsn } = sample;
    const isFirst = newestPosition(this.#written) === undefined;
    const isLater = startedAtMs > this.#sample.endedAtMs;
    const inserted = { at: startedAtMs, lsn: sample.insertedLsn ?? lsn };
    this.#written = addSample(this.#written, timeline, { at: startedAtMs, lsn }, isLater);
    this.#covering = addSample(this.#covering, timeline, inserted, isLater);
    this.#sample = { startedAtMs, endedAtMs };
    for (const [name, record] of this.#records) {
      const primarySamplesSince = record.primarySamplesSince + 1;
      this.#records.set(name, { ...record, answersSincePrimary: 0, primarySamplesSince });
    }
    if (isFirst) this.#measureEarlierAnswers();
  }

  /** Of replicas that have answered before their primary: while it is quiet, they are not asked again for half a minute. */
  #measureEarlierAnswers(): void {
    for (const name of this.#records.keys()) {
      const observation = this.#newest.get(name);
      if (observation?.probe.kind === 'answered')
        this.#records.set(name, this.#judgeReplica(name, observation));
    }
  }

  /** One that may not tell is taken for one of ours, as everywhere. */
  #isOurs({ systemIdentifier }: AnsweredProbe): boolean {
    const expected = this.#document?.topology.systemIdentifier ?? null;
    return expected === null || systemIdentifier === null || systemIdentifier === expected;
  }

  #judgeReplica(name: string, observation: Observation): ReplicaRecord {
    const record = this.#records.get(name) ?? newRecord(name);
    const { probe, endedAtMs } = observation;
    const limits = this.#limits();
    if (probe.kind === 'failed') return afterSilence(record, probe, endedAtMs, limits);
    if (!this.#isOurs(probe))
      return afterForeignAnswer(record, 'belongs to another cluster', endedAtMs, limits);
    if (probe.role === 'primary')
      return afterForeignAnswer(record, 'answers as a primary', endedAtMs, limits);
    const primary = { written: this.#written, answers: this.#primaryAnswers };
    return afterAnswer(record, probe, observation, primary, limits);
  }

  #limits(): FreshnessLimits {
    const routing = this.#document?.routing;
    const seconds = (value: number | undefined) => (value ?? Number.POSITIVE_INFINITY) * 1000;
    return { maxLagMs: seconds(routing?.maxLagSeconds), resumeLagMs: seconds(routing?.resumeLagSeconds) };
  }

  #primaryView(): PrimaryView | null {
    const { timeline } = this.#written;
    if (this.#primaryName === null || newestPosition(this.#written) === undefined) return null;
    const { startedAtMs, endedAtMs } = this.#sample;
    return {
      name: this.#primaryName,
      timeline,
      covering: this.#covering,
      answers: this.#primaryAnswers,
      sampledAtMs: startedAtMs,
      probeMs: endedAtMs - startedAtMs,
    };
  }

  #replicaViews(): ReadonlyMap<string, ReplicaView> {
    return new Map([...this.#records].map(([name, record]) => [name, this.#replicaView(record)]));
  }

  #replicaView({ view, freshness, primarySamplesSince }: ReplicaRecord): ReplicaView {
    const isStale = primarySamplesSince > graceSamples && view.lag.kind === 'known';
    return {
      ...view,
      lag: isStale ? unmeasured('has not been observed lately') : view.lag,
      freshAsOfMs: view.timeline === null ? null : freshAsOf(this.#covering, view.timeline, view.replayed),
      lateReason: freshness.lateReason,
    };
  }
}

/**
 * A later sample that is lower means that the primary has been restarted and has lost what it had not flushed, and with that
 * what was covered by it.
 */
function addSample(known: LagAnchors, timeline: number, sample: LagAnchor, isLater: boolean): LagAnchors {
  const newest = newestPosition(known);
  const hasLost = newest !== undefined && timeline === known.timeline && sample.lsn < newest.lsn;
  return addLagAnchor(hasLost && isLater ? noAnchors : known, timeline, sample);
}
