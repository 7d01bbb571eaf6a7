// Why nobody answers a read, for people and error messages.

import type { ReplicaEndpoint } from '../../endpoints/endpointsDocument.ts';
import { primaryOf, type ReadFacts, refusal, replicasOf, verdictOf } from './readFacts.ts';

/** What keeps each replica from answering this read. */
export function describeReplicas(facts: ReadFacts): string {
  const about = (replica: ReplicaEndpoint) => `${replica.name} ${obstacleOf(replica, facts) ?? 'was tried'}`;
  return replicasOf(facts).map(about).join('; ');
}

/** What keeps a replica from answering this read, whether or not it has been tried; null when nothing does. */
export function obstacleOf(replica: ReplicaEndpoint, facts: ReadFacts): string | null {
  const verdict = verdictOf(replica, facts);
  return verdict.kind === 'serving' ? refusal(replica.name, facts) : verdict.reason;
}

/** As `describeReplicas`, with the primary. */
export function describeAbsence(facts: ReadFacts): string {
  const primary = primaryOf(facts);
  const ofPrimary =
    primary === null
      ? 'there is no primary'
      : facts.tried.has(primary.name)
        ? `${primary.name} (primary) was tried`
        : `${primary.name} (primary) may not serve reads`;
  const primaryOnly = facts.needs?.primaryOnly ?? null;
  if (primaryOnly !== null) return `${primaryOnly}; ${ofPrimary}`;
  const ofReplicas = describeReplicas(facts);
  return ofReplicas === '' ? ofPrimary : `${ofReplicas}; ${ofPrimary}`;
}
