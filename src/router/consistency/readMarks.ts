// What has been written and seen, by a scope or by a whole pool, and what a next read must therefore be able to see.
//
// A write costs no extra round trip. What was acknowledged at time t is in the primary's log at t, so the first sample of the log's
// end that was *started* at t or later covers it; one that merely ended later may have been taken before. Until there is such a
// sample the primary answers; afterwards so does every replica that has replayed as much as the sample says.
//
// A read has no position either: nobody knows which state it has shown. What can be said: when its answer was here, at time e, the
// replica had replayed at least the state that it showed. Replay does not go back, so the first observation of that replica that
// was started at e or later is an upper bound of what was shown, and the first sample of the primary started at e or later is
// another, because a replica has nothing that its primary has not. The lower of the two is what another replica must have replayed.
// (An observation that was started before e is no bound: the read may have seen something newer.) Until there is a bound, the
// replica itself can be asked again, for it still has what it showed, or the primary. A replica that may have been restarted since
// the read was sent (its answer can be on the way while the server dies) has started over below what it showed: for it neither its
// own word nor its own observations count, and the primary's bound decides.
//
// After a failover the positions of the old timeline mean nothing on the new one. All of the above is kept as times, which are then
// covered by samples of the new primary; so what survived the failover is seen, and what was lost is not waited for.
//
// A token is owed what was written, what was asked of the primary, and what other tokens stood for. What other reads have shown goes
// into it as far as there is a bound: a token that always asked for the newest state would keep its client on the primary for ever.
//
// Invariant: times only move forward, and what is not covered is never taken for covered.

import type { LagAnchors } from '../../postgres/lagAnchors.ts';
import type { Lsn } from '../../postgres/lsn.ts';
import type { Consistency } from './consistency.ts';
import type { LagView, Position, PrimaryView } from './lagView.ts';
import { firstSampleFrom } from './measureLag.ts';
import { type EarlierRead, noNeeds, type ReadNeeds } from './readNeeds.ts';

/** Everything that was acknowledged by then must be seen. */
interface Cover {
  readonly fromMs: number;
  readonly why: string;
}

/** A position that somebody else has given us, which had been reached when we got it. */
interface GivenPosition {
  readonly position: Position;
  readonly givenAtMs: number;
}

/** The sample that covers a time, remembered so that it is not searched again for every read. */
interface Covered {
  readonly fromMs: number;
  readonly timeline: number;
  readonly sinceMs: number;
  readonly lsn: Lsn;
}

/** From when it was sent until its answer was here. */
export interface ReadSpan {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

export class ReadMarks {
  #cover: Cover | null = null;
  #covered: Covered | null = null;
  #given: GivenPosition | null = null;
  /** The last reads of each replica. */
  readonly #reads = new Map<string, ReadSpan>();
  #lastInstance: string | null = null;
  /** What a token of these marks must stand for. */
  #owedFromMs: number | null = null;
  #handedOn: string | null = null;

  /** Also for a write whose outcome is unknown: it may have happened. */
  noteWriteAcknowledged(atMs: number): void {
    this.#coverFrom(atMs, 'a write');
    this.#owe(atMs, null);
  }

  /** A read of the primary has shown everything that was committed by then. `isAskedFor`: no replica would have done. */
  notePrimaryRead(endedAtMs: number, isAskedFor: boolean): void {
    this.#coverFrom(endedAtMs, 'a read of the primary');
    if (isAskedFor) this.#owe(endedAtMs, null);
  }

  /** A read of this replica begins; reads beside it do well to go there too. */
  noteReplicaReadStarted(instance: string): void {
    this.#lastInstance = instance;
  }

  /** `isChecked`: it was sent there by `needs`, so that it has shown at least what earlier ones had. */
  noteReplicaRead(instance: string, span: ReadSpan, isChecked: boolean): void {
    const known = this.#reads.get(instance);
    const replaces = known === undefined || (isChecked && span.startedAtMs >= known.endedAtMs);
    this.#reads.set(instance, replaces ? span : unite(known, span));
    this.#lastInstance = instance;
  }

  /** A position that somebody has reached before `atMs`. */
  notePosition(position: Position, atMs: number): void {
    const known = this.#given;
    const isAhead =
      known === null ||
      position.timeline > known.position.timeline ||
      (position.timeline === known.position.timeline && position.lsn > known.position.lsn);
    if (isAhead) this.#given = { position, givenAtMs: atMs };
    this.#handedOn = null;
  }

  /** A token asks for everything that had happened by `atMs`. */
  noteEverythingBefore(atMs: number, why: string, token: string): void {
    this.#coverFrom(atMs, why);
    this.#owe(atMs, token);
  }

  /** The one token that stands for all that a token of these marks must stand for; null when there is none. */
  get handedOn(): string | null {
    return this.#handedOn;
  }

  /** What a read needs that is begun now. */
  needs(consistency: Consistency, view: LagView): ReadNeeds {
    if (consistency === 'eventual') return noNeeds;
    if (consistency === 'strong')
      return { ...noNeeds, primaryOnly: 'strong consistency was asked for', isStrong: true };
    if (this.#isEmpty && typeof consistency === 'string') return noNeeds;
    const maxAgeMs = typeof consistency === 'object' ? consistency.maxLagMs : null;
    const floor = this.#floor(view);
    if (floor === 'pending') {
      const why = this.#cover?.why ?? 'a position of another timeline';
      return {
        ...noNeeds,
        primaryOnly: `${why} is not covered by a sample of the primary yet`,
        wantsProbes: true,
      };
    }
    const earlierReads = this.#earlierReads(view);
    const isPending = earlierReads.some(({ bound }) => bound === null);
    const isBehind = floor !== null && isAnyBehind(view, floor.lsn);
    return {
      ...noNeeds,
      floor,
      earlierReads,
      maxAgeMs,
      prefers: isPending || earlierReads.length === 0 ? this.#lastInstance : null,
      wantsProbes: isPending || isBehind || maxAgeMs !== null,
    };
  }

  /** What a token says: a position that covers what it is owed, `pending` while there is none, null when there is nothing to tell. */
  position(view: LagView): Position | 'pending' | null {
    const isOwed = this.#owedFromMs !== null || this.#given !== null;
    const { primary } = view;
    if (primary === null) return isOwed ? 'pending' : null;
    const { covering, timeline } = primary;
    const owed = this.#owedFromMs === null ? null : firstSampleFrom(covering, this.#owedFromMs);
    const given = this.#given === null ? null : givenFloor(this.#given, primary);
    const isCovered =
      (this.#owedFromMs === null || owed !== null) && (this.#given === null || given !== null);
    if (!isCovered) return 'pending';
    const shown = this.#cover === null ? null : firstSampleFrom(covering, this.#cover.fromMs);
    const bounds = this.#earlierReads(view).map(({ bound }) => bound);
    const lsn = [owed, given, shown, ...bounds].reduce(highest, null);
    return lsn === null ? null : { timeline, lsn };
  }

  get #isEmpty(): boolean {
    return this.#cover === null && this.#given === null && this.#lastInstance === null;
  }

  #owe(fromMs: number, token: string | null): void {
    const isFirst = this.#owedFromMs === null && this.#given === null;
    this.#handedOn = isFirst ? token : null;
    this.#owedFromMs = Math.max(this.#owedFromMs ?? fromMs, fromMs);
  }

  #coverFrom(fromMs: number, why: string): void {
    if (this.#cover === null || fromMs > this.#cover.fromMs) this.#cover = { fromMs, why };
  }

  #floor({ primary }: LagView): Position | 'pending' | null {
    if (this.#cover === null && this.#given === null) return null;
    if (primary === null) return 'pending';
    const written = this.#cover === null ? null : this.#coveringSample(this.#cover.fromMs, primary);
    if (this.#cover !== null && written === null) return 'pending';
    const given = this.#given === null ? null : givenFloor(this.#given, primary);
    if (this.#given !== null && given === null) return 'pending';
    const lsn = highest(written, given);
    return lsn === null ? null : { timeline: primary.timeline, lsn };
  }

  #coveringSample(fromMs: number, { timeline, covering }: PrimaryView): Lsn | null {
    const known = this.#covered;
    const isKnown =
      known?.fromMs === fromMs && known.timeline === timeline && known.sinceMs === covering.since;
    if (isKnown) return known.lsn;
    const lsn = firstSampleFrom(covering, fromMs);
    if (lsn !== null) this.#covered = { fromMs, timeline, sinceMs: covering.since, lsn };
    return lsn;
  }

  #earlierReads(view: LagView): readonly EarlierRead[] {
    if (this.#reads.size === 0) return noNeeds.earlierReads;
    return [...this.#reads].map(([instance, span]) => {
      return { instance, ...span, bound: boundOf(instance, span, view) };
    });
  }
}

function isAnyBehind({ replicas }: LagView, lsn: Lsn): boolean {
  for (const { replayed } of replicas.values()) if (replayed === null || replayed < lsn) return true;
  return false;
}

/**
 * A position is no further than the end of the log after it was given; of an older timeline only that can be said. Of a newer one
 * nothing can be said: there is a primary that this process does not know yet, and what the known one has tells nothing of it.
 */
function givenFloor({ position, givenAtMs }: GivenPosition, { timeline, covering }: PrimaryView): Lsn | null {
  if (position.timeline > timeline) return null;
  const atMost = firstSampleFrom(covering, givenAtMs);
  if (position.timeline !== timeline) return atMost;
  return atMost !== null && atMost < position.lsn ? atMost : position.lsn;
}

function boundOf(instance: string, { startedAtMs, endedAtMs }: ReadSpan, view: LagView): Lsn | null {
  const { primary, replicas } = view;
  if (primary === null) return null;
  const byPrimary = firstSampleFrom(primary.covering, endedAtMs);
  const replica = replicas.get(instance);
  if (replica === undefined || replica.lostAtMs >= startedAtMs) return byPrimary;
  const byReplica = sampleOn(primary.timeline, replica.history, endedAtMs);
  return byPrimary === null || byReplica === null ? (byPrimary ?? byReplica) : lower(byPrimary, byReplica);
}

function unite(left: ReadSpan, right: ReadSpan): ReadSpan {
  return {
    startedAtMs: Math.min(left.startedAtMs, right.startedAtMs),
    endedAtMs: Math.max(left.endedAtMs, right.endedAtMs),
  };
}

function sampleOn(timeline: number, history: LagAnchors, fromMs: number): Lsn | null {
  return history.timeline === timeline ? firstSampleFrom(history, fromMs) : null;
}

function highest(left: Lsn | null, right: Lsn | null): Lsn | null {
  if (left === null || right === null) return left ?? right;
  return left > right ? left : right;
}

function lower(left: Lsn, right: Lsn): Lsn {
  return left < right ? left : right;
}
