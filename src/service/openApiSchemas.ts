// The JSON of every answer as JSON schemas (draft 2020-12, as OpenAPI 3.1 uses it). Tests check real answers against
// them. All of them are closed: a key that is not described is a mistake.

import { unknownLagSeconds } from './guideAnswers.ts';
import { replicaStates } from './judgeReplicaState.ts';

export interface Schema {
  readonly [keyword: string]: unknown;
}

function object(properties: Readonly<Record<string, Schema>>, more: Schema = {}): Schema {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
    ...more,
  };
}

const list = (items: Schema): Schema => ({ type: 'array', items });
const mapOf = (values: Schema): Schema => ({ type: 'object', additionalProperties: values });
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] });

const text: Schema = { type: 'string' };
const flag: Schema = { type: 'boolean' };
const count: Schema = { type: 'integer', minimum: 0 };
const amount: Schema = { type: 'number', minimum: 0 };
const port: Schema = { type: 'integer', minimum: 1, maximum: 65_535 };
const timestamp: Schema = { type: 'string', format: 'date-time', description: 'RFC 3339, in UTC.' };
const countOrNull: Schema = { type: ['integer', 'null'], minimum: 0 };
const amountOrNull: Schema = { type: ['number', 'null'], minimum: 0 };
const textOrNull: Schema = { type: ['string', 'null'] };

const replicaState: Schema = {
  enum: replicaStates,
  description:
    'healthy: takes reads and answers. lagging: too far behind. unhealthy: does not answer, or rests after a failure. excluded: kept out of reads for another reason. unknown: not asked yet, or (in the lag) not measured.',
};

const guideSchemas: Readonly<Record<string, Schema>> = {
  Health: object({
    healthy: { ...flag, description: 'A topology is known and every replica of it serves reads.' },
    replicas: list(object({ name: text, healthy: flag })),
    timestamp,
  }),
  Stats: object({
    replicaCount: count,
    currentReplicaIndex: {
      ...countOrNull,
      description: 'Which replica the next read goes to; null for none.',
    },
    replicas: mapOf(object({ status: ref('ReplicaState'), connectionCount: count })),
  }),
  Lag: object({
    replicas: list(
      object({
        name: text,
        lagSeconds: { ...amountOrNull, description: 'Null when it is not known.' },
        status: ref('ReplicaState'),
      }),
    ),
    maxLag: {
      ...amount,
      description: `In seconds. A lag that is not known counts as ${unknownLagSeconds}, so that it is over every threshold.`,
    },
    avgLag: { ...amount, description: 'As maxLag.' },
    timestamp,
  }),
  Pool: object({ total_connections: count, active_connections: count, idle_connections: count }),
  PoolStats: object({ primary: ref('Pool'), replicas: mapOf(ref('Pool')), timestamp }),
  Info: object({
    primaryConnected: { ...flag, description: 'The primary answered as a primary when it was asked last.' },
    replicasEnabled: flag,
    replicaCount: count,
    hasReadReplicas: { ...flag, description: 'A read would go to a replica now.' },
    timestamp,
  }),
};

const instanceProperties = {
  name: text,
  host: text,
  port,
  zone: textOrNull,
  role: { enum: ['primary', 'replica'] },
  observed: { ...orNull(ref('Observed')), description: 'Its own last answer; null until it was asked.' },
  connections: object({ total: count, idle: count, waiting: count }),
};

const topologySchemas: Readonly<Record<string, Schema>> = {
  Observed: {
    anyOf: [
      object({
        kind: { const: 'answered' },
        role: { enum: ['primary', 'replica'] },
        timeline: countOrNull,
        lsn: textOrNull,
        isStreaming: flag,
        serverVersion: count,
        ageMs: amount,
      }),
      object({ kind: { const: 'failed' }, reason: text, ageMs: amount }),
    ],
  },
  Source: object({
    origin: text,
    isInUse: flag,
    epoch: countOrNull,
    generation: countOrNull,
    ageMs: amountOrNull,
    problems: list(text),
  }),
  Primary: object({ ...instanceProperties, role: { const: 'primary' } }),
  Replica: object({
    ...instanceProperties,
    role: { const: 'replica' },
    weight: amount,
    lag: object({
      seconds: amountOrNull,
      bytes: amountOrNull,
      atLeastSeconds: { ...amount, description: 'Where seconds is not known.' },
      reason: { ...textOrNull, description: 'Why seconds is not known.' },
    }),
    status: ref('ReplicaState'),
    isServing: flag,
    reason: { ...textOrNull, description: 'Why reads do not go there; null when they do.' },
  }),
  Topology: object({
    topology: orNull(object({ namespace: text, name: text, systemIdentifier: textOrNull })),
    epoch: countOrNull,
    generation: countOrNull,
    timeline: countOrNull,
    routing: orNull(object({ maxLagSeconds: amount, resumeLagSeconds: amount, fallbackToPrimary: flag })),
    sources: list(ref('Source')),
    primary: orNull(ref('Primary')),
    primaryReason: textOrNull,
    replicas: list(ref('Replica')),
    currentReplicaIndex: countOrNull,
    counters: object({
      reads: countOrNull,
      writes: countOrNull,
      fallbacks: countOrNull,
      keptOnPrimary: countOrNull,
      retries: countOrNull,
      denied: countOrNull,
      learned: countOrNull,
      ignoredTokens: countOrNull,
    }),
    problems: list(text),
    timestamp,
  }),
};

export const openApiSchemas: Readonly<Record<string, Schema>> = {
  ...guideSchemas,
  ...topologySchemas,
  ReplicaState: replicaState,
  Problem: object(
    { type: { const: 'about:blank' }, title: text, status: { type: 'integer' }, detail: text },
    { description: 'RFC 9457.' },
  ),
};
