// One word about a replica, from the status of the router.
//
// Invariant: only a replica that serves reads and is known to answer is `healthy`. What nobody has asked yet is
// `unknown`, which alarms count as bad.

import type { ReplicaManagerStatus, ReplicaStatus } from '../router/routerStatus.ts';

/**
 * - `healthy`: takes reads and answers.
 * - `lagging`: is kept out of reads, or has no fresh enough data, because it is too far behind.
 * - `unhealthy`: does not answer, or rests after a failure.
 * - `excluded`: is kept out of reads for another reason.
 * - `unknown`: has not been asked yet.
 */
export type ReplicaState = 'healthy' | 'lagging' | 'unhealthy' | 'excluded' | 'unknown';

export const replicaStates: readonly ReplicaState[] = [
  'healthy',
  'lagging',
  'unhealthy',
  'excluded',
  'unknown',
];

export function judgeReplicaState(replica: ReplicaStatus, status: ReplicaManagerStatus): ReplicaState {
  const { observed, verdict, lag } = replica;
  if (observed?.kind === 'failed' || verdict.kind === 'resting') return 'unhealthy';
  const maxLagSeconds = status.document?.routing.maxLagSeconds ?? 0;
  if (verdict.kind === 'late' || lag.atLeastSeconds > maxLagSeconds) return 'lagging';
  if (verdict.kind !== 'serving') return 'excluded';
  const isKnownToAnswer = observed !== null || replica.connections.total > 0;
  return isKnownToAnswer ? 'healthy' : 'unknown';
}
