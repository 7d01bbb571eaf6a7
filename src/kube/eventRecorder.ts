// Tells people what happened to an object, where `kubectl describe` shows it. In: what happened. Out: events.k8s.io/v1 objects.
//
// Invariant: recording never throws, never waits and never grows without bound. An event is a courtesy: when there are too
// many, or the API server is away, events are lost and nothing else is.

import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { ApiError } from './apiError.ts';
import type { KubeClient } from './client.ts';
import { type EventSeries, EventSeriesTable } from './eventSeries.ts';
import type { KubeObject } from './kubeObject.ts';
import { microTime } from './lease.ts';
import { resources } from './resources.ts';
import { createObject, mergePatch } from './verbs.ts';

/** Something that happened, in words for people. */
export interface Occurrence {
  /** The object in whose description it appears. */
  readonly regarding: KubeObject;
  readonly type: 'Normal' | 'Warning';
  /** Why, in UpperCamelCase, fit for a machine: `FailoverCompleted`. At most 128 characters. */
  readonly reason: string;
  /** What was being done, in UpperCamelCase: `Promote`. At most 128 characters. */
  readonly action: string;
  /** One sentence. Cut at 1024 bytes, as the API server demands. */
  readonly note: string;
  /** Another object that has to do with it. */
  readonly related?: KubeObject;
}

export interface EventRecorderDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

export interface EventRecorderOptions {
  /** `replica-manager.io/operator`. */
  readonly reportingController: string;
  /** The pod's name. */
  readonly reportingInstance: string;
}

/** What a burst of one topology's troubles may leave waiting; a few hundred kB at most. */
const maxWaiting = 256;

/** An event is tried so often; then the next ones matter more. */
const maxAttempts = 4;

/** Between attempts of one event; together they outlast a restart of the API server. */
const retryMs = 5_000;

const maxNoteBytes = 1024;

export class EventRecorder {
  readonly #deps: EventRecorderDeps;
  readonly #options: EventRecorderOptions;
  readonly #series: EventSeriesTable;
  readonly #waiting: EventSeries[] = [];
  #wake: () => void = () => {};
  #lost = 0;

  constructor(deps: EventRecorderDeps, options: EventRecorderOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#series = new EventSeriesTable(deps.clock.now());
  }

  /** Events that were not written, because of too many, or of an API server that was away for too long. */
  get lost(): number {
    return this.#lost;
  }

  /** Notes what happened. `run` writes it soon. */
  record(occurrence: Occurrence): void {
    try {
      const { clock, random } = this.#deps;
      const taken = this.#series.take(occurrence, clock.now(), clock.wallNow(), random());
      if (taken === 'limited') this.#lose(occurrence.reason, 'there are too many of this kind');
      else if (taken === 'counted') this.#wake();
      else if (this.#waiting.length < maxWaiting) this.#enqueue(taken);
      else {
        this.#series.forget(taken);
        this.#lose(occurrence.reason, 'too many are waiting');
      }
    } catch (error) {
      this.#lose(occurrence.reason, 'it could not be put into words', error);
    }
  }

  /** Writes what is recorded until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const series of this.#series.due(this.#deps.clock.now())) this.#enqueue(series);
      const next = this.#waiting.shift();
      if (next !== undefined) await this.#write(next, signal);
      else await this.#idle(signal);
    }
  }

  #enqueue(series: EventSeries): void {
    if (!this.#waiting.includes(series)) this.#waiting.push(series);
    this.#wake();
  }

  /** Until something is recorded, or counts of repeated events may be due. */
  async #idle(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await this.#deps.clock.sleep(retryMs, AbortSignal.any([signal, woken.signal])).catch(() => {});
    this.#wake = () => {};
  }

  async #write(series: EventSeries, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      try {
        await this.#send(series, signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const isRetryable = error instanceof ApiError && error.isRetryable;
        if (!isRetryable || attempt === maxAttempts) {
          // Forgotten, so that the next occurrence is a new event and not the second of one that nobody has seen.
          this.#series.forget(series);
          this.#lose(series.occurrence.reason, 'the API server did not take it', error);
          return;
        }
        await this.#deps.clock.sleep(retryMs, signal).catch(() => {});
      }
    }
  }

  async #send(series: EventSeries, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#deps;
    const { count, name, namespace } = series;
    const isNew = series.writtenCount === 0;
    if (isNew) await createObject(client, this.#event(series), signal);
    else {
      // The note and all other fields must not change; only the series of an event may.
      const patch = { series: { count, lastObservedTime: microTime(series.lastAt) } };
      await mergePatch(client, resources.Event, { namespace, name }, patch, signal);
    }
    // A new event stands for one occurrence; what came since is written as a series when it is due.
    series.writtenCount = isNew ? 1 : count;
    series.writtenAt = clock.now();
  }

  #event(series: EventSeries): KubeObject {
    const { regarding, related, type, reason, action, note } = series.occurrence;
    const { apiVersion, kind } = resources.Event;
    const event = {
      apiVersion,
      kind,
      metadata: { name: series.name, namespace: series.namespace },
      eventTime: microTime(series.firstAt),
      reportingController: this.#options.reportingController,
      reportingInstance: this.#options.reportingInstance.slice(0, 128),
      regarding: referenceTo(regarding),
      ...(related === undefined ? {} : { related: referenceTo(related) }),
      type,
      reason,
      action,
      note: cutText(note, maxNoteBytes),
    };
    return event;
  }

  #lose(reason: string, why: string, error?: unknown): void {
    this.#lost += 1;
    this.#deps.log.debug({ reason, err: error, lost: this.#lost }, `an event was lost: ${why}`);
  }
}

function referenceTo(object: KubeObject): object {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  return { apiVersion: object.apiVersion, kind: object.kind, name, namespace, uid, resourceVersion };
}

/** Cuts text to so many bytes of UTF-8 without leaving half a character. */
function cutText(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  return `${new TextDecoder().decode(bytes.subarray(0, maxBytes - 6), { stream: true })}…`;
}
