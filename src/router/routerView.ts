// What a router would do now, told without doing it.

import type { EndpointsDocument } from '../endpoints/endpointsDocument.ts';
import type { ReadExplanation } from './balance/explainRead.ts';
import { planRead } from './balance/planRead.ts';
import { verdictOf as judgeReplica, type ReadFacts, replicasOf } from './balance/readFacts.ts';
import type { CoreFacts } from './balance/readPlanner.ts';
import { probeProblems } from './probeRefusal.ts';
import type { Router } from './router.ts';
import { describeStatus, type ReplicaManagerStatus } from './routerStatus.ts';
import type { Statement } from './statement.ts';

export function hasReadReplicas(router: Router): boolean {
  const { document } = router;
  if (document === undefined) return false;
  const facts = readFacts(router, document);
  return replicasOf(facts).some((replica) => judgeReplica(replica, facts).kind === 'serving');
}

/** Null until there is a topology. */
export function explainRead(router: Router, statement: Statement): ReadExplanation | null {
  const { document, planner } = router;
  if (document === undefined) return null;
  return planner.explain(planner.request(statement.consistency), coreFacts(router, document));
}

export function statusOf(router: Router): ReplicaManagerStatus {
  const { document, view, prober, settings } = router;
  const facts = document === undefined ? undefined : readFacts(router, document);
  return describeStatus({
    document,
    published: view.published,
    problems: [...view.problems, ...probeProblems(prober?.observations.values() ?? [])],
    sources: router.sources,
    observations: prober?.observations,
    found: view.found,
    hold: router.hold.announced,
    nextReplica: facts === undefined ? undefined : nextReplica(facts),
    lagView: router.planner.book.view,
    areReplicasEnabled: settings.useReadReplicas && (document?.replicas.length ?? 0) > 0,
    health: router.health,
    nowMs: router.deps.clock.now(),
    countsOf: (endpoint) => router.pools.countsOf(endpoint),
    ...(facts === undefined ? {} : { verdictOf: (replica) => judgeReplica(replica, facts) }),
    counters: {
      ...router.counters,
      learned: router.classifier.exportLearned().length,
      ignoredTokens: router.planner.ignoredTokens,
    },
  });
}

function nextReplica(facts: ReadFacts): string | undefined {
  const choice = planRead(facts);
  return choice.kind === 'replica' ? choice.endpoint.name : undefined;
}

/** Of a read that needs nothing. */
function readFacts(router: Router, document: EndpointsDocument) {
  return router.planner.facts(router.planner.request('eventual'), coreFacts(router, document));
}

function coreFacts({ health, deps }: Router, document: EndpointsDocument): CoreFacts {
  const nowMs = deps.clock.now();
  return {
    document,
    health,
    nowMs,
    tried: new Set<string>(),
    turn: 0,
    isOverflow: false,
  };
}
