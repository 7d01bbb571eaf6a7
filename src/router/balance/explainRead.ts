// Says to a person where a read would go now, and why not elsewhere.

import type { Lag } from '../consistency/lagView.ts';
import { obstacleOf } from './describeReplicas.ts';
import { planRead } from './planRead.ts';
import { type ReadFacts, replicasOf } from './readFacts.ts';

export interface ExplainedReplica {
  readonly name: string;
  /** Why the read does not go there; null for the one that it goes to and for its equals. */
  readonly rejected: string | null;
  /** Null when nobody has looked. */
  readonly lag: Lag | null;
  readonly inFlight: number;
}

export interface ReadExplanation {
  /** Name of the instance; null when no one answers. */
  readonly instance: string | null;
  readonly role: 'primary' | 'replica' | null;
  readonly why: string;
  readonly replicas: readonly ExplainedReplica[];
}

export function explainRead(facts: ReadFacts): ReadExplanation {
  const choice = planRead(facts);
  const replicas = replicasOf(facts).map((replica) => ({
    name: replica.name,
    rejected: obstacleOf(replica, facts) ?? (facts.tried.has(replica.name) ? 'was tried' : null),
    lag: facts.observed?.replicas.get(replica.name)?.lag ?? null,
    inFlight: facts.balance?.loads.get(replica.name)?.inFlight ?? 0,
  }));
  switch (choice.kind) {
    case 'replica':
      return {
        instance: choice.endpoint.name,
        role: 'replica',
        why: whyReplica(choice.endpoint.name, facts),
        replicas,
      };
    case 'primary':
      return { instance: choice.endpoint.name, role: 'primary', why: choice.why, replicas };
    case 'none':
      return { instance: null, role: null, why: choice.reason, replicas };
  }
}

function whyReplica(name: string, facts: ReadFacts): string {
  const replica = replicasOf(facts).find((it) => it.name === name);
  const obstacle = replica === undefined ? null : obstacleOf(replica, facts);
  if (obstacle !== null) return `nobody is better, although it ${obstacle}`;
  if (facts.needs?.prefers === name) return 'the scope has read from it';
  return `${facts.balance?.strategy ?? 'round-robin'} over the replicas that can show it`;
}
