// Which occurrences are the same event again, and which are too many. Holds numbers, sends nothing.

import type { Occurrence } from './eventRecorder.ts';
import { TokenBucket, type TokenBucketBounds } from './tokenBucket.ts';

/** One event in the cluster and how often it has happened. */
export interface EventSeries {
  readonly namespace: string;
  readonly name: string;
  readonly occurrence: Occurrence;
  readonly firstAt: Date;
  lastAt: Date;
  count: number;
  /** What the cluster knows; 0 before the event is written. */
  writtenCount: number;
  /** Monotonic milliseconds of the last write. */
  writtenAt: number;
  /** Monotonic milliseconds of the last occurrence. */
  seenAt: number;
}

/** The same thing after so long is a new event, as the API's own recorder has it. */
const seriesMs = 6 * 60_000;

/** The count of an event that goes on happening is written this often. */
const countEveryMs = 60_000;

/** Different sentences about one object for one reason: a person reads the first ten, later ones come one in half a minute. */
const perObjectAndReason: TokenBucketBounds = { perSecond: 1 / 30, burst: 10 };

/** Objects times reasons; the oldest are forgotten beyond it. */
const maxTracked = 1000;

export class EventSeriesTable {
  readonly #series = new Map<string, EventSeries>();
  readonly #buckets = new Map<string, TokenBucket>();
  #sweptAt: number;

  /** @param now monotonic milliseconds */
  constructor(now: number) {
    this.#sweptAt = now;
  }

  /**
   * Takes one occurrence: a new event, one more of a known event (`counted`), or one too many (`limited`).
   *
   * @param random a number in [0, 1), for the name
   */
  take(
    occurrence: Occurrence,
    now: number,
    wallNow: Date,
    random: number,
  ): EventSeries | 'counted' | 'limited' {
    this.#sweep(now);
    const key = keyOf(occurrence);
    const known = this.#series.get(key);
    if (known !== undefined) {
      known.count += 1;
      known.lastAt = wallNow;
      known.seenAt = now;
      return 'counted';
    }
    const bucket = this.#bucketOf(`${objectOf(occurrence)} ${occurrence.reason}`, now);
    if (!bucket.tryTake(now)) return 'limited';
    const { name, namespace = 'default' } = occurrence.regarding.metadata;
    const series: EventSeries = {
      namespace,
      name: eventName(name, random),
      occurrence,
      firstAt: wallNow,
      lastAt: wallNow,
      count: 1,
      writtenCount: 0,
      writtenAt: now,
      seenAt: now,
    };
    this.#series.set(key, series);
    trim(this.#series);
    return series;
  }

  /** Events whose count has grown since it was written, and whose turn it is. The second time is told at once. */
  due(now: number): EventSeries[] {
    return [...this.#series.values()].filter(
      ({ count, writtenCount, writtenAt }) =>
        writtenCount > 0 && count > writtenCount && (writtenCount === 1 || now - writtenAt >= countEveryMs),
    );
  }

  forget(series: EventSeries): void {
    this.#series.delete(keyOf(series.occurrence));
  }

  #bucketOf(key: string, now: number): TokenBucket {
    const known = this.#buckets.get(key);
    const bucket = known ?? new TokenBucket(perObjectAndReason, now);
    // Put at the end again, so that the first is the one that was not used for longest.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    trim(this.#buckets);
    return bucket;
  }

  /** Forgets events that have not happened for a while and whose count is written. */
  #sweep(now: number): void {
    if (now - this.#sweptAt < countEveryMs) return;
    this.#sweptAt = now;
    for (const [key, { seenAt, count, writtenCount }] of this.#series) {
      if (now - seenAt >= seriesMs && count === writtenCount) this.#series.delete(key);
    }
  }
}

function objectOf({ regarding }: Occurrence): string {
  const { uid, name, namespace } = regarding.metadata;
  return `${regarding.kind}/${namespace}/${name}/${uid}`;
}

function keyOf(occurrence: Occurrence): string {
  const { type, reason, action, note } = occurrence;
  return JSON.stringify([objectOf(occurrence), type, reason, action, note]);
}

function trim(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (map.size > maxTracked && oldest !== undefined) map.delete(oldest);
}

/** Unique without asking anybody, and at most 253 characters. */
function eventName(regarding: string, random: number): string {
  return `${regarding.slice(0, 230)}.${Math.floor(random * 2 ** 52)
    .toString(16)
    .padStart(13, '0')}`;
}
