// How long an instance takes to answer, as a number that forgets. In: single measurements. Out: what to expect.
//
// Invariant: a slow answer counts at once and in full, a fast one only bit by bit (peak-sensitive, as Finagle's balancer). What is not
// measured again fades, so that one that was slow once is tried again.

export interface Latency {
  readonly ms: number;
  readonly measuredAtMs: number;
}

/** After this a measurement counts for little more than a third: longer than a pause of a garbage collector, shorter than an outage. */
export const latencyMemoryMs = 10_000;

export function afterLatency(known: Latency | null, ms: number, nowMs: number): Latency {
  const expected = expectedLatencyMs(known, nowMs);
  if (known === null || expected === null || ms >= expected) return { ms, measuredAtMs: nowMs };
  const kept = remaining(nowMs - known.measuredAtMs);
  return { ms: known.ms * kept + ms * (1 - kept), measuredAtMs: nowMs };
}

/** Null before the first measurement. */
export function expectedLatencyMs(known: Latency | null, nowMs: number): number | null {
  return known === null ? null : known.ms * remaining(nowMs - known.measuredAtMs);
}

function remaining(elapsedMs: number): number {
  return Math.exp(-Math.max(0, elapsedMs) / latencyMemoryMs);
}
