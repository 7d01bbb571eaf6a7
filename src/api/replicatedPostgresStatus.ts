// The status of a ReplicatedPostgres. What is not known is left out or null, never 0.
import { z } from 'zod';

/** The word for the whole, and what it means. */
export const phaseMeanings = {
  Provisioning: 'The topology is being made; it has not had a primary yet.',
  Ready: 'Every instance answers, the primary accepts writes and every replica streams.',
  Degraded: 'Writes work, but something that was asked for is missing; the conditions say what.',
  FailingOver: 'The primary is lost and a replica is taking over.',
  SwitchingOver: 'The primary role moves to another instance because somebody asked for it.',
  Hibernated: 'All instances are stopped because somebody asked for it; the volumes stay.',
  Invalid: 'The spec cannot be run; the condition SpecValid says why. Nothing is changed until it can.',
} as const;
export type Phase = keyof typeof phaseMeanings;

const phases = Object.keys(phaseMeanings) as [Phase, ...Phase[]];

const time = (description: string) => z.iso.datetime().meta({ description });

const instanceStatus = z.strictObject({
  name: z.string().meta({ description: 'Name of the instance.' }),
  role: z.enum(['primary', 'replica', 'unknown']).meta({ description: 'What the server itself said it is.' }),
  ready: z.boolean().meta({ description: 'Whether the server answers.' }),
  routable: z.boolean().meta({ description: 'Whether clients may read from it as a replica.' }),
  promotable: z.boolean().meta({ description: 'Whether it may become primary.' }),
  reason: z.string().optional().meta({ description: 'Why it is not ready, routable or promotable.' }),
  lagSeconds: z.number().optional().meta({
    description: 'Age of the newest position of the primary that it has replayed. Left out while unknown.',
  }),
  lagBytes: z
    .int()
    .optional()
    .meta({ description: 'WAL that it has not replayed yet. Left out while unknown.' }),
  receivedLsn: z
    .string()
    .optional()
    .meta({ description: 'Position that it has received (replica) or written (primary).' }),
  replayedLsn: z.string().optional().meta({ description: 'Position that it has replayed.' }),
  receiver: z
    .enum(['streaming', 'down', 'unknown'])
    .optional()
    .meta({ description: 'State of its WAL receiver; replicas only.' }),
  zone: z.string().optional().meta({ description: 'Value of topology.kubernetes.io/zone of its node.' }),
  pendingRestart: z.array(z.string()).optional().meta({
    description:
      'What takes effect at its next restart: parameters, or a changed pod template or service account.',
  }),
  measuredAt: time('When this was measured.').optional(),
});

const primaryStatus = z.strictObject({
  name: z.string().meta({ description: 'Name of the primary instance.' }),
  epoch: z.int().meta({ description: 'Number of times that the primary role has changed hands.' }),
  timeline: z.int().optional().meta({ description: 'Its timeline.' }),
  lsn: z.string().optional().meta({ description: 'Its WAL position when the status was written.' }),
  since: time('Since when it is primary.').optional(),
});

const failoverRecord = z.strictObject({
  kind: z
    .enum(['failover', 'switchover'])
    .meta({ description: 'failover: the primary was lost. switchover: it was asked for.' }),
  from: z.string().optional().meta({ description: 'Primary before.' }),
  to: z.string().optional().meta({ description: 'Primary after.' }),
  epoch: z.int().optional().meta({ description: 'Epoch that it began.' }),
  detectedAt: time('When the loss was noticed.').optional(),
  fencedAt: time('When the old primary could no longer write.').optional(),
  promotedAt: time('When the new primary accepted writes.').optional(),
  publishedAt: time('When the endpoints were published.').optional(),
  writeGapMs: z
    .int()
    .optional()
    .meta({ description: 'Time without a primary that accepts writes. Milliseconds.' }),
  lostBytes: z
    .int()
    .optional()
    .meta({ description: 'WAL of the old primary that the new one did not have. Left out while unknown.' }),
  reason: z.string().meta({ description: 'Why it happened.' }),
});

const condition = z.strictObject({
  type: z.string().meta({ description: 'What the condition speaks of.' }),
  status: z.enum(['True', 'False', 'Unknown']).meta({ description: 'Whether it holds.' }),
  reason: z.string().meta({ description: 'One word for programs: why.' }),
  message: z.string().meta({ description: 'One sentence for people: why, and what to do.' }),
  lastTransitionTime: time('When the status changed last.'),
  observedGeneration: z
    .int()
    .optional()
    .meta({ description: 'Generation of the spec that the condition speaks of.' }),
});

export const statusSchema = z.strictObject({
  phase: z.enum(phases).optional().meta({ description: 'One word for the whole.' }),
  primary: primaryStatus.optional().meta({ description: 'The current primary.' }),
  instances: z
    .array(instanceStatus)
    .optional()
    .meta({
      description: 'What is known of each instance.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    }),
  routing: z
    .strictObject({
      configMap: z.string().meta({ description: 'Name of its ConfigMap.' }),
      generation: z.int().meta({ description: 'Generation of the document.' }),
    })
    .optional()
    .meta({ description: 'The published endpoints document.' }),
  failovers: z.array(failoverRecord).optional().meta({
    description: 'The last ten changes of the primary. Not written yet.',
    'x-kubernetes-list-type': 'atomic',
  }),
  replicas: z.int32().optional().meta({ description: 'Instances that exist, for the scale subresource.' }),
  readyInstances: z.int32().optional().meta({ description: 'Instances that answer.' }),
  routableReplicas: z.int32().optional().meta({ description: 'Replicas that serve reads.' }),
  readySummary: z.string().optional().meta({ description: 'Instances that answer, of all: 3/3.' }),
  maxLag: z
    .string()
    .optional()
    .meta({ description: 'Largest lag of a replica as people read it: 0s, 2.5s, unknown.' }),
  selector: z
    .string()
    .optional()
    .meta({ description: 'Label selector of the instance pods, for the scale subresource.' }),
  systemIdentifier: z
    .string()
    .optional()
    .meta({ description: 'Identifier of the database system; recorded once, never changed.' }),
  observedGeneration: z
    .int()
    .optional()
    .meta({ description: 'Generation of the spec that this status speaks of.' }),
  conditions: z
    .array(condition)
    .optional()
    .meta({
      description: 'Conditions.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
    }),
});

export type ReplicatedPostgresStatus = z.output<typeof statusSchema>;
export type InstanceStatus = z.output<typeof instanceStatus>;
export type PrimaryStatus = z.output<typeof primaryStatus>;
export type Condition = z.output<typeof condition>;

/** The conditions that a ReplicatedPostgres may carry, and what `True` means. */
export const conditionMeanings = {
  Ready: 'All of the following that are about health hold.',
  SpecValid: 'The resource can be run as it is written.',
  PrimaryAvailable: 'An instance holds the Lease and accepts writes.',
  ReplicationHealthy: 'Every replica streams from the primary.',
  RoutingPublished: 'The endpoints document says what is true now.',
  PoolersAvailable: 'The PgBouncer deployments that were asked for answer.',
  PendingRestart: 'A parameter takes effect only when instances restart; the message names them.',
  Progressing: 'Instances are being made, cloned or removed.',
} as const;
export type ConditionType = keyof typeof conditionMeanings;
