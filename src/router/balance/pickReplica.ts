// Which of the replicas that may serve a read does. In: their shares and loads. Out: one of them.
//
// Invariant: whoever may serve and has a share is picked sooner or later, and the share of one that is left out goes to all the
// others alike. A list that is walked through by a counter would give it to the next one alone, and reads of two kinds that come
// by turns would each see one half of the list; here every replica has turns of its own, which it saves and spends.

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
  /** Of its last reads, with the slow ones remembered; null before the first, and where it does not matter. */
  readonly latencyMs: number | null;
  /** How much it has been passed over (above 0) or preferred (below). See `payTurn`. */
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

/** Who may save turns: the candidates of a read, and those that serve but could not serve this one. */
export interface Saver {
  readonly name: string;
  readonly share: number;
  turn: number;
}

/** As much as one that could not serve some reads may be preferred by the next: enough to even out, too little for a flood. */
export const mostSavedTurns = 2;

/**
 * After one of the candidates was picked: one turn is shared out, and who was picked pays it. With shares 5, 1, 1 that
 * makes a a b a c a a, not a a a a a b c. The sum stays what it was, so what one has saved others have spent, and no more.
 */
export function payTurn(savers: readonly Saver[], picked: string): void {
  const total = totalShare(savers);
  for (const saver of savers) saver.turn += saver.share / total - (saver.name === picked ? 1 : 0);
}

function totalShare(all: readonly { readonly share: number }[]): number {
  let total = 0;
  for (const { share } of all) total += share;
  return total;
}

/** Thirds do not add up to one exactly; equals must stay in their order all the same. */
const roundingError = 1e-9;

function longestPassedOver(candidates: readonly Candidate[]): Candidate | undefined {
  const total = totalShare(candidates);
  let longest: Candidate | undefined;
  let most = Number.NEGATIVE_INFINITY;
  for (const candidate of candidates) {
    const turn = candidate.turn + candidate.share / total;
    if (turn > most + roundingError) {
      most = turn;
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
