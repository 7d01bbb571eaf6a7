// Which of the replicas that may serve a read does. In: their shares and loads. Out: one of them.
//
// Invariant: whoever may serve and has a share is picked sooner or later, and the share of one that is left out goes to all the
// others alike. A list that is walked through by a counter would give it to the next one alone, and reads of two kinds that come
// in turn would each see one half of the list; here each replica has its own turn, which moves only when it is a candidate.

import type { ReplicaEndpoint } from '../../endpoints/endpointsDocument.ts';

/**
 * - `round-robin`: equal shares, whatever the weights.
 * - `weighted`: shares by the weights of the document, spread evenly over time.
 * - `least-in-flight`: whoever has the fewest reads under way for its weight.
 * - `peak-ewma`: of two that are drawn, the one whose reads under way should be done sooner. Sees a slow replica within a read.
 */
export type Strategy = 'round-robin' | 'weighted' | 'least-in-flight' | 'peak-ewma';

export const strategies: readonly Strategy[] = ['round-robin', 'weighted', 'least-in-flight', 'peak-ewma'];

export interface Candidate {
  readonly endpoint: ReplicaEndpoint;
  /** Part of the reads relative to the other candidates; above 0. */
  readonly share: number;
  readonly inFlight: number;
  /** Of its last reads, with the slow ones remembered; null before the first. */
  readonly latencyMs: number | null;
  /** How much it has been passed over (above 0) or preferred (below). See `afterTurn`. */
  readonly turn: number;
}

/** Undefined only when there is nobody. `random` in [0, 1) decides who is drawn. */
export function pickReplica(
  candidates: readonly Candidate[],
  strategy: Strategy,
  random: number,
): Candidate | undefined {
  switch (strategy) {
    case 'round-robin':
    case 'weighted':
      return longestPassedOver(candidates);
    case 'least-in-flight':
      return longestPassedOver(leastBy(candidates, ({ inFlight, share }) => (inFlight + 1) / share));
    case 'peak-ewma':
      return longestPassedOver(leastBy(drawTwo(candidates, random), expectedWait));
  }
}

/**
 * The turns after one of the candidates was picked: each gains its share, and who was picked pays for all. With shares 5, 1, 1
 * that makes a a b a c a a, not a a a a a b c. The sum stays what it was, so nobody saves up turns without end.
 */
export function afterTurn(
  candidates: readonly Candidate[],
  picked: string,
): readonly (readonly [name: string, turn: number])[] {
  const total = candidates.reduce((sum, { share }) => sum + share, 0);
  return candidates.map(({ endpoint, turn, share }) => [
    endpoint.name,
    turn + share - (endpoint.name === picked ? total : 0),
  ]);
}

function longestPassedOver(candidates: readonly Candidate[]): Candidate | undefined {
  let longest: Candidate | undefined;
  for (const candidate of candidates) {
    if (longest === undefined || candidate.turn + candidate.share > longest.turn + longest.share) {
      longest = candidate;
    }
  }
  return longest;
}

function leastBy(
  candidates: readonly Candidate[],
  cost: (candidate: Candidate) => number,
): readonly Candidate[] {
  const costs = candidates.map(cost);
  const least = Math.min(...costs);
  return candidates.filter((_, index) => costs[index] === least);
}

/** One that has not been measured counts as fast, but not so fast that all the reads of a moment go to it. */
const unmeasuredLatencyMs = 1;

function expectedWait({ latencyMs, inFlight, share }: Candidate): number {
  return ((latencyMs ?? unmeasuredLatencyMs) * (inFlight + 1)) / share;
}

/** Two different ones, each pair as likely as any other. */
function drawTwo(candidates: readonly Candidate[], random: number): readonly Candidate[] {
  const count = candidates.length;
  if (count <= 2) return candidates;
  const pair = Math.floor(random * count * (count - 1));
  const first = Math.floor(pair / (count - 1));
  const other = pair % (count - 1);
  const second = other < first ? other : other + 1;
  return candidates.filter((_, index) => index === first || index === second);
}
