// The description of the service, answered by GET /openapi.json and written to docs/reference/openapi.json.

import { openApiSchemas } from './openApiSchemas.ts';

interface Content {
  readonly [type: string]: { readonly schema: object };
}

interface Response {
  readonly description: string;
  readonly content: Content;
}

const json = (schema: string): Content => ({
  'application/json': { schema: { $ref: `#/components/schemas/${schema}` } },
});
const text = (type: string): Content => ({ [type]: { schema: { type: 'string' } } });
const metrics: Content = { ...text('text/plain'), ...text('application/openmetrics-text') };

function problem(description: string): Response {
  return {
    description,
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}

/** An answer that is there whatever goes on; only a router with a wrong configuration has none. */
function operation(
  operationId: string,
  summary: string,
  content: Content,
  more: Readonly<Record<string, Response>> = {},
) {
  return {
    get: {
      operationId,
      summary,
      responses: {
        200: { description: summary, content },
        ...more,
        500: problem('The router has no valid configuration, or the status could not be read.'),
      },
    },
  };
}

const paths = {
  '/database/replica/health': operation('getReplicaHealth', 'Every replica serves reads', json('Health'), {
    503: {
      description: 'A replica does not serve reads, or no topology is known.',
      content: json('Health'),
    },
  }),
  '/database/replica/stats': operation(
    'getReplicaStats',
    'State and connections of each replica; metrics for a client that accepts text/plain or OpenMetrics',
    { ...json('Stats'), ...metrics },
  ),
  '/database/replica/lag': operation('getReplicaLag', 'How far each replica is behind', json('Lag'), {
    503: { description: 'No topology is known.', content: json('Lag') },
  }),
  '/database/replica/pool-stats': operation('getPoolStats', 'Connections of this process', json('PoolStats')),
  '/database/info': operation('getDatabaseInfo', 'What there is to connect to', json('Info')),
  '/topology': operation(
    'getTopology',
    'Every instance with the verdict on it and why, the sources of all this with their age, and counters',
    json('Topology'),
  ),
  '/endpoints/stream': operation(
    'streamEndpoints',
    'Server-sent events: an event `endpoints` with the endpoints document as data for each change, `<epoch>.<generation>` as id, and a comment at least every 5 s. With Last-Event-ID what was seen is not sent again.',
    text('text/event-stream'),
    { 503: problem('As many clients follow as may, or the service is stopping.') },
  ),
  '/metrics': operation('getMetrics', 'Metrics for Prometheus', metrics),
  '/livez': operation('getLiveness', 'The process answers', text('text/plain')),
  '/readyz': operation('getReadiness', 'A topology is known', text('text/plain'), {
    503: problem('No topology is known yet, or the service is stopping.'),
  }),
  '/openapi.json': operation('getDescription', 'This description', {
    'application/json': { schema: { type: 'object' } },
  }),
};

export const openApi = {
  openapi: '3.1.0',
  info: {
    title: 'Replica Manager service',
    version: '1.0.0',
    description:
      'What a replica manager knows about its PostgreSQL topology. Every path answers GET and HEAD; another method is answered with 405, an unknown path with 404, both as a problem in JSON.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: 'http://localhost:4000' }],
  paths,
  components: { schemas: openApiSchemas },
} as const;
