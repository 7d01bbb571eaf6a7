// May clients read from this replica? A fold over its samples: previous verdict + one sample → next verdict.
//
// Invariant: a replica serves reads only while it is known to be fresh enough, or was so a named moment ago. What is not known
// counts as late, because a reader can be told to wait but cannot be told that it has read the past.
//
// The rules, in this order:
// 1. A server that is no replica of this topology, or that is certainly not answering (nobody listens, it is starting or
//    stopping), is out at once.
// 2. A probe without answer proves nothing: the last verdict holds for `limits.graceMs`, then the replica is out.
// 3. A lag of `maxLagSeconds` or `maxLagBytes` puts it out, whether or not its receiver works: the lag is measured against the
//    primary's own positions, so it grows while the receiver is dead and the primary writes.
// 4. While its receiver is down the lag is unknown. It leaves after `maxLagSeconds` of that, even if the primary seems idle, and
//    never comes in. This clock stands still while nobody is known to be writing (no primary answers and its Lease is not
//    renewed): nothing newer exists then, and taking all replicas out would only take reads away during a failover.
// 5. While its receiver streams and its lag is unknown nevertheless (no position of the primary is known, or none that is as
//    old as what it has replayed), it stays for `limits.graceMs` of rule 4's clock. A receiver that goes down in between stops
//    that clock and does not set it back.
// 6. It comes in when its receiver streams and its lag was at or below `resumeLagSeconds` in two samples in a row.

/** What one probe of a replica said, with its lag by the anchors of the primary. */
export type ReadsSample =
  | {
      readonly kind: 'measured';
      readonly at: number;
      readonly receiver: 'streaming' | 'down';
      /** Lag by anchors; undefined while no position of the primary is known. */
      readonly lagSeconds: number | undefined;
      readonly lagBytes: number | undefined;
      /** Whether somebody is known to be writing, so that time makes this replica older. */
      readonly primaryIsAlive: boolean;
    }
  | {
      readonly kind: 'unreachable';
      readonly at: number;
      /** True when the server is certainly not answering anybody, rather than only not us. */
      readonly isCertain: boolean;
    }
  | { readonly kind: 'excluded'; readonly at: number; readonly reason: string };

export interface ReadsLimits {
  readonly maxLagSeconds: number;
  readonly resumeLagSeconds: number;
  readonly maxLagBytes: number | undefined;
  /** How long the last verdict holds without an answer. See `silenceGraceMs`. */
  readonly graceMs: number;
}

export interface ReadsVerdict {
  readonly routable: boolean;
  /** Why it is not; null when it is. Made of settings, never of measurements, so that it is the same from sample to sample. */
  readonly reason: string | null;
  /** Samples in a row at or below the resume lag. */
  readonly freshSamples: number;
  /** Milliseconds that its receiver has been down while somebody was writing. */
  readonly receiverDownMs: number;
  /** Milliseconds that its lag has been unknown with its receiver streaming, while somebody was writing. */
  readonly unknownLagMs: number;
  /** When the last sample was judged, and when the last answer was. */
  readonly judgedAt: number;
  readonly answeredAt: number;
}

/** Two, because one low sample can be the moment before a large transaction is replayed. */
export const samplesToResume = 2;

/** Three probes may be lost, and the last of them may take its whole time. */
export function silenceGraceMs(probes: {
  readonly intervalMilliseconds: number;
  readonly timeoutMilliseconds: number;
}): number {
  return 3 * probes.intervalMilliseconds + probes.timeoutMilliseconds;
}

/** The verdict before the first sample: what was published last holds for the grace period. */
export function initialReadsVerdict(at: number, wasRoutable: boolean): ReadsVerdict {
  return {
    routable: wasRoutable,
    reason: wasRoutable ? null : 'has not been measured yet',
    freshSamples: 0,
    receiverDownMs: 0,
    unknownLagMs: 0,
    judgedAt: at,
    answeredAt: at,
  };
}

/** Decides about one replica from its newest sample. See the rules at the top. */
export function judgeReads(previous: ReadsVerdict, sample: ReadsSample, limits: ReadsLimits): ReadsVerdict {
  switch (sample.kind) {
    case 'excluded':
      return out(previous, sample.at, sample.reason);
    case 'unreachable':
      return judgeSilence(previous, sample, limits);
    case 'measured':
      return judgeMeasured(previous, sample, limits);
  }
}

function judgeSilence(
  previous: ReadsVerdict,
  sample: Extract<ReadsSample, { kind: 'unreachable' }>,
  limits: ReadsLimits,
): ReadsVerdict {
  if (sample.isCertain) return out(previous, sample.at, 'does not accept connections');
  if (sample.at - previous.answeredAt >= limits.graceMs) {
    return out(previous, sample.at, `has not answered for ${limits.graceMs} ms`);
  }
  return { ...previous, freshSamples: 0, judgedAt: sample.at };
}

function judgeMeasured(
  previous: ReadsVerdict,
  sample: Extract<ReadsSample, { kind: 'measured' }>,
  limits: ReadsLimits,
): ReadsVerdict {
  const { receiver, lagSeconds, lagBytes } = sample;
  const sinceLastMs = sample.primaryIsAlive ? sample.at - previous.judgedAt : 0;
  const receiverDownMs = receiver === 'down' ? previous.receiverDownMs + sinceLastMs : 0;
  const unknownLagMs = judgeUnknownLag(previous, sample, sinceLastMs);
  const late = lateReason({ lagSeconds, lagBytes, receiverDownMs, unknownLagMs }, limits);
  const isFresh =
    late === null &&
    receiver === 'streaming' &&
    lagSeconds !== undefined &&
    lagSeconds <= limits.resumeLagSeconds;
  const freshSamples = isFresh ? Math.min(samplesToResume, previous.freshSamples + 1) : 0;
  const next = { freshSamples, receiverDownMs, unknownLagMs, judgedAt: sample.at, answeredAt: sample.at };

  if (late !== null) return { ...next, routable: false, reason: late };
  if (previous.routable || freshSamples >= samplesToResume) return { ...next, routable: true, reason: null };
  return { ...next, routable: false, reason: waitingReason(sample, limits) };
}

function judgeUnknownLag(
  { unknownLagMs }: ReadsVerdict,
  { receiver, lagSeconds }: Extract<ReadsSample, { kind: 'measured' }>,
  sinceLastMs: number,
): number {
  if (lagSeconds !== undefined) return 0;
  return receiver === 'streaming' ? unknownLagMs + sinceLastMs : unknownLagMs;
}

interface KnownLag {
  readonly lagSeconds: number | undefined;
  readonly lagBytes: number | undefined;
  readonly receiverDownMs: number;
  readonly unknownLagMs: number;
}

function lateReason(lag: KnownLag, limits: ReadsLimits): string | null {
  if (lag.receiverDownMs >= limits.maxLagSeconds * 1000) return 'its WAL receiver is down';
  if (lag.lagSeconds !== undefined && lag.lagSeconds >= limits.maxLagSeconds) {
    return `lags behind by ${limits.maxLagSeconds} s or more`;
  }
  if (limits.maxLagBytes !== undefined && lag.lagBytes !== undefined && lag.lagBytes >= limits.maxLagBytes) {
    return `lags behind by ${limits.maxLagBytes} bytes or more`;
  }
  if (lag.unknownLagMs >= limits.graceMs) return 'its lag is unknown';
  return null;
}

/** Why a replica that is not late does not come in yet. */
function waitingReason(sample: Extract<ReadsSample, { kind: 'measured' }>, limits: ReadsLimits): string {
  if (sample.receiver === 'down') return 'its WAL receiver is down';
  if (sample.lagSeconds === undefined) return 'its lag is unknown';
  return `has not been within ${limits.resumeLagSeconds} s of the primary for ${samplesToResume} samples`;
}

function out(previous: ReadsVerdict, at: number, reason: string): ReadsVerdict {
  return { ...previous, routable: false, reason, freshSamples: 0, judgedAt: at };
}
