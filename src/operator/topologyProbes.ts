// What the probes of one topology add up to: positions of its primary, and for each instance the last answer, its lag and the
// verdict on its reads. Pure but for being a store: time comes in with every sample.
//
// Invariant: a lag is only ever derived from positions of the primary that were known before the replica was asked.

import type { AgentStatus } from '../api/agentStatus.ts';
import { assert } from '../lib/assert.ts';
import type { InstanceFacts, LeaseFacts } from '../plan/observed.ts';
import {
  initialReadsVerdict,
  judgeReads,
  type ReadsLimits,
  type ReadsSample,
  type ReadsVerdict,
} from '../plan/reads.ts';
import {
  addLagAnchor,
  type LagAnchors,
  lagAtLeastMs,
  lagByAnchorsMs,
  newestPosition,
  noAnchors,
} from '../postgres/lagAnchors.ts';
import { type Lsn, lagBytes } from '../postgres/lsn.ts';
import type { InstanceProbe } from '../postgres/probeInstance.ts';
import type { ProbeResult } from './prober.ts';

export type ProbedFacts = Pick<InstanceFacts, 'probe' | 'lag' | 'reads' | 'agent'>;

export interface ProbedSample {
  readonly result: ProbeResult;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly wallTime: string;
  /** The anchors as they were when the probe started. */
  readonly anchors: LagAnchors;
}

interface Instance {
  readonly podUid: string;
  readonly includedAt: number;
  reads: ReadsVerdict;
  measured: { readonly probe: InstanceProbe; readonly at: number; readonly wallTime: string } | undefined;
  failure: { readonly reason: string; readonly isCertain: boolean; readonly since: number } | undefined;
  lag: InstanceFacts['lag'];
  agent: AgentStatus | undefined;
}

/** What a Lease says of its last renewal. */
export interface LeaseRenewal {
  /** As the holder wrote it; only whether it is another one counts. */
  readonly renewTime: string | undefined;
  /** Where the primary was between this renewal and the one before. */
  readonly walPosition: Lsn | undefined;
}

const unknownLag = { seconds: undefined, bytes: undefined } as const;

export class TopologyProbes {
  readonly #instances = new Map<string, Instance>();
  #anchors: LagAnchors = noAnchors;
  #lease: LeaseFacts | undefined;
  /** The renewal that was seen last. `at` is undefined for the first: nobody knows how old it was already. */
  #renewal: { readonly renewTime: string; readonly at: number | undefined } | undefined;
  #systemIdentifier: string | undefined;
  /** When the primary last gave a sign of life: an answer, or a renewed Lease. */
  #primarySeenAt = -Infinity;
  limits: ReadsLimits;

  constructor(limits: ReadsLimits) {
    this.limits = limits;
  }

  get anchors(): LagAnchors {
    return this.#anchors;
  }

  /** Starts over with an instance when its pod is another one. `wasRoutable` counts when nothing is known of it yet. */
  include(instance: string, podUid: string, at: number, wasRoutable: boolean): void {
    const known = this.#instances.get(instance);
    if (known?.podUid === podUid) return;
    this.#instances.set(instance, {
      podUid,
      includedAt: at,
      reads: initialReadsVerdict(at, known === undefined && wasRoutable),
      measured: undefined,
      failure: undefined,
      lag: unknownLag,
      agent: undefined,
    });
  }

  exclude(instance: string): void {
    this.#instances.delete(instance);
  }

  /** Another holder or epoch means another line of positions. A renewal is a sign of life, and a position as well. */
  noteLease(lease: LeaseFacts | undefined, renewal: LeaseRenewal | undefined, at: number): void {
    if (lease?.holder !== this.#lease?.holder || lease?.epoch !== this.#lease?.epoch)
      this.#anchors = noAnchors;
    this.#lease = lease;
    this.#systemIdentifier = lease?.systemIdentifier ?? this.#systemIdentifier;
    if (lease?.holder === undefined || renewal?.renewTime === undefined) return;
    const { renewTime, walPosition } = renewal;
    const before = this.#renewal;
    // The same Lease is told again with every change of anything else.
    if (before?.renewTime === renewTime) return;
    this.#renewal = { renewTime, at: before === undefined ? undefined : at };
    if (before === undefined) return;
    this.#primarySeenAt = at;
    if (walPosition !== undefined && before.at !== undefined) this.#addRenewal(walPosition, before.at, at);
  }

  /** The position may be as old as the renewal before it, and an anchor must not be younger than the truth. */
  #addRenewal(lsn: Lsn, since: number, at: number): void {
    const newest = newestPosition(this.#anchors);
    // Only news that the probes do not have: they are younger, and a position without its timeline cannot start a line.
    if (newest === undefined || at - newest.at <= this.limits.graceMs) return;
    this.#anchors = addLagAnchor(this.#anchors, this.#anchors.timeline, { at: since, lsn });
  }

  take(instance: string, sample: ProbedSample): void {
    const known = this.#instances.get(instance);
    if (known === undefined) return;
    if (sample.result.kind === 'unreachable') this.#takeFailure(known, sample.result, sample.endedAt);
    else this.#takeProbe(instance, known, sample.result.probe, sample);
  }

  noteAgent(instance: string, agent: AgentStatus | undefined): void {
    const known = this.#instances.get(instance);
    if (known !== undefined) known.agent = agent;
  }

  facts(instance: string, at: number): ProbedFacts {
    const known = this.#instances.get(instance);
    if (known === undefined) {
      const reads = { ...initialReadsVerdict(at, false), reason: 'has no pod' };
      return { probe: { kind: 'pending' }, lag: unknownLag, reads, agent: undefined };
    }
    const { lag, agent } = known;
    return { probe: this.#probeFacts(known, at), lag, reads: this.#readsFacts(known, at), agent };
  }

  /** Until it has answered once it is silent, even if no probe has come to an end that says so. */
  #readsFacts({ measured, reads }: Instance, at: number): ReadsVerdict {
    if (measured !== undefined) return reads;
    return judgeReads(reads, { kind: 'unreachable', at, isCertain: false }, this.limits);
  }

  #probeFacts(known: Instance, at: number): InstanceFacts['probe'] {
    const { measured, failure } = known;
    const hasAnswered = measured !== undefined && at - measured.at < this.limits.graceMs;
    if (failure !== undefined && (failure.isCertain || !hasAnswered)) {
      return { kind: 'unreachable', reason: failure.reason, sinceMs: at - failure.since };
    }
    if (measured === undefined || this.#isBlind(known, measured.probe, at)) return { kind: 'pending' };
    return { kind: 'measured', probe: measured.probe, measuredAt: measured.wallTime };
  }

  /** A new leader may ask a replica before the primary. Its lag is not unknown then, it is about to be known. */
  #isBlind({ includedAt, lag }: Instance, { receiver }: InstanceProbe, at: number): boolean {
    return (
      receiver?.status === 'streaming' && lag.seconds === undefined && at - includedAt < this.limits.graceMs
    );
  }

  #takeFailure(
    known: Instance,
    { reason, isCertain }: { reason: string; isCertain: boolean },
    at: number,
  ): void {
    known.failure = { reason, isCertain, since: known.failure?.since ?? at };
    const isStale = known.measured === undefined || at - known.measured.at >= this.limits.graceMs;
    if (isCertain || isStale) known.lag = unknownLag;
    known.reads = judgeReads(known.reads, { kind: 'unreachable', at, isCertain }, this.limits);
  }

  #takeProbe(instance: string, known: Instance, probe: InstanceProbe, sample: ProbedSample): void {
    const { endedAt } = sample;
    known.failure = undefined;
    known.measured = { probe, at: endedAt, wallTime: sample.wallTime };
    if (probe.role === 'primary' && instance === this.#lease?.holder) {
      assert(probe.receivedLsn !== null, 'a primary has a position');
      this.#anchors = addLagAnchor(this.#anchors, probe.timeline, {
        at: sample.startedAt,
        lsn: probe.receivedLsn,
      });
      this.#primarySeenAt = endedAt;
    }
    const lag = this.#measureLag(probe, sample);
    known.lag = probe.receiver?.status === 'streaming' ? lag : unknownLag;
    known.reads = judgeReads(known.reads, this.#readsSample(instance, probe, lag, endedAt), this.limits);
  }

  #readsSample(instance: string, probe: InstanceProbe, lag: InstanceFacts['lag'], at: number): ReadsSample {
    const excluded = this.#exclusion(instance, probe);
    if (excluded !== undefined) return { kind: 'excluded', at, reason: excluded };
    return {
      kind: 'measured',
      at,
      receiver: probe.receiver?.status === 'streaming' ? 'streaming' : 'down',
      lagSeconds: lag.seconds,
      lagBytes: lag.bytes,
      primaryIsAlive: at - this.#primarySeenAt < this.limits.graceMs,
    };
  }

  #exclusion(instance: string, probe: InstanceProbe): string | undefined {
    if (instance === this.#lease?.holder) return 'is the primary';
    if (probe.role === 'primary') return 'runs as a primary without holding the Lease';
    if (this.#systemIdentifier !== undefined && probe.systemIdentifier !== this.#systemIdentifier) {
      return 'belongs to another database system';
    }
    return undefined;
  }

  /** Positions of another timeline than the primary's say nothing while its WAL is received. */
  #measureLag(
    { role, receiver, replayedLsn }: InstanceProbe,
    { anchors, endedAt }: ProbedSample,
  ): InstanceFacts['lag'] {
    const newest = newestPosition(anchors);
    if (role === 'primary' || replayedLsn === null || newest === undefined) return unknownLag;
    if (receiver !== null && receiver.timeline !== anchors.timeline) return unknownLag;
    const seconds = this.#lagSeconds(anchors, replayedLsn, endedAt);
    return { seconds, bytes: lagBytes(newest.lsn, replayedLsn) };
  }

  /**
   * A position from before we began to look has no known age: it must not let a replica in as if it were fresh. Once it
   * is certainly too old for reads, that is said as a number, and puts the replica out.
   */
  #lagSeconds(anchors: LagAnchors, replayed: Lsn, at: number): number | undefined {
    const ms = lagByAnchorsMs(anchors, replayed, at);
    if (ms !== undefined) return ms / 1000;
    const atLeast = lagAtLeastMs(anchors, at) / 1000;
    return atLeast >= this.limits.maxLagSeconds ? atLeast : undefined;
  }
}
