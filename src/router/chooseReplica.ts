// Decides where one read goes, from facts alone. The parts are in `balance`; here is what the core of the router calls.

export {
  afterFailure,
  type Health,
  type ReplicaVerdict,
  restBounds,
} from './balance/judgeReplica.ts';
export { planRead as chooseReplica } from './balance/planRead.ts';
export type { ReadFacts } from './balance/readFacts.ts';
