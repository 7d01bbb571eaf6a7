// Every path of the service but the stream, and what answers it.

import type { ReplicaManagerStatus } from '../router/routerStatus.ts';
import { acceptedType } from './acceptedType.ts';
import { type Answer, jsonAnswer, problemAnswer, textAnswer } from './answer.ts';
import { healthAnswer, infoAnswer, lagAnswer, poolStatsAnswer, statsAnswer } from './guideAnswers.ts';
import { type MetricsFormat, metricsText, metricsTypes } from './metricsText.ts';
import { openApi } from './openApi.ts';
import { serviceMetrics } from './serviceMetrics.ts';
import { topologyAnswer } from './topologyAnswer.ts';

/** Everything an answer may depend on. A route takes each once, so that its answer is of one moment. */
export interface ServiceFacts {
  readonly status: ReplicaManagerStatus;
  readonly hasReadReplicas: boolean;
  readonly at: Date;
  readonly streamClients: number;
  readonly isReady: boolean;
}

export type Route = (facts: ServiceFacts, accept: string | undefined) => Answer;

export const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
  [
    '/database/replica/health',
    ({ status, at }) => {
      const health = healthAnswer(status, at);
      return jsonAnswer(health, health.healthy ? 200 : 503);
    },
  ],
  ['/database/replica/stats', (facts, accept) => ({ ...stats(facts, accept), headers: { vary: 'accept' } })],
  [
    '/database/replica/lag',
    ({ status, at }) => jsonAnswer(lagAnswer(status, at), status.topology === null ? 503 : 200),
  ],
  ['/database/replica/pool-stats', ({ status, at }) => jsonAnswer(poolStatsAnswer(status, at))],
  [
    '/database/info',
    ({ status, hasReadReplicas, at }) => jsonAnswer(infoAnswer(status, hasReadReplicas, at)),
  ],
  ['/topology', ({ status, at }) => jsonAnswer(topologyAnswer(status, at))],
  [
    '/metrics',
    (facts, accept) => ({
      ...metrics(facts, acceptedType(accept, ['text/plain', 'application/openmetrics-text'])),
      headers: { vary: 'accept' },
    }),
  ],
  ['/livez', () => textAnswer('ok')],
  ['/readyz', readiness],
  ['/openapi.json', () => jsonAnswer(openApi)],
]);

/** The guide's JSON to people and scripts, metrics to a scraper, which asks for them by name. */
function stats(facts: ServiceFacts, accept: string | undefined): Answer {
  const type = acceptedType(accept, ['application/json', 'text/plain', 'application/openmetrics-text']);
  return type === 'application/json' ? jsonAnswer(statsAnswer(facts.status)) : metrics(facts, type);
}

function metrics(facts: ServiceFacts, format: MetricsFormat): Answer {
  return { status: 200, type: metricsTypes[format], body: metricsText(serviceMetrics(facts), format) };
}

function readiness({ status, isReady }: ServiceFacts): Answer {
  if (!isReady) return problemAnswer(503, 'the service is stopping');
  return status.topology === null ? problemAnswer(503, 'no topology is known yet') : textAnswer('ok');
}
