// The spec of a ReplicatedPostgres: the one source of the CRD's schema, the API reference and the
// types. Every field has a description, because it is what `kubectl explain` prints. Rules that
// compare fields or forbid changes are CEL, so that the API server says no before anything is stored.
//
// Objects are z.object, which drops what it does not know: during an upgrade the CRD knows a field before the
// operator that still leads does, and that must not make any topology invalid. A person who misspells a field
// is told by the API server, whose schema is closed.
import { z } from 'zod';
import { bytesPattern, parseBytes } from '../lib/quantity.ts';
import { bootstrap, postgres, storage } from './postgresSpec.ts';
import { withRules } from './rule.ts';
import { addedMetadata, byteSize, image, objectName, passedThrough, wholeNumber } from './specFields.ts';

const replication = z.object({
  durability: z.enum(['quorum', 'async']).optional().meta({
    description:
      'quorum: a commit is acknowledged when a quorum of replicas has it. async: at once. Defaults to quorum from 3 instances on, else async.',
  }),
  whenNoReplica: z.enum(['wait', 'continue']).default('wait').meta({
    description:
      'With quorum and no replica left: wait holds commits back, continue acknowledges them without a replica.',
  }),
  maxSlotWalKeepSize: byteSize(
    'WAL kept for a replica that is away. Beyond it the replica is cloned again.',
  ).default('8Gi'),
});

const failover = z.object({
  leaseSeconds: wholeNumber(
    'How long a primary may be silent before a replica takes over. Seconds.',
    5,
    300,
  ).default(10),
  maxLagBytes: byteSize('A replica further behind than this is not promoted automatically.').default('16Mi'),
  delaySeconds: wholeNumber(
    'Additional wait before a failover, to give the primary time to come back. Seconds.',
    0,
    3600,
  ).default(0),
});

const routing = withRules(
  z.object({
    maxLagSeconds: z
      .number()
      .positive()
      .max(86_400)
      .default(10)
      .meta({ description: 'A replica further behind leaves the reads. Seconds.' }),
    resumeLagSeconds: z.number().nonnegative().max(86_400).default(5).meta({
      description: 'A replica comes back to the reads below this lag. Seconds.',
    }),
    maxLagBytes: withRules(byteSize('A replica further behind than this leaves the reads as well.'), {
      rule: "!isQuantity(self) || quantity(self).compareTo(quantity('1')) >= 0",
      message:
        'set routing.maxLagBytes to more than 0, or leave it out: at 0 no replica would ever serve reads',
      holds: (size: string) => !new RegExp(bytesPattern).test(size) || parseBytes(size) >= 1,
    }).optional(),
    fallbackToPrimary: z
      .boolean()
      .default(true)
      .meta({ description: 'Whether reads go to the primary when no replica is routable.' }),
  }),
  {
    rule: 'self.resumeLagSeconds <= self.maxLagSeconds',
    message:
      'set routing.resumeLagSeconds to at most routing.maxLagSeconds, or a replica would come back while it is too late',
    holds: ({ resumeLagSeconds, maxLagSeconds }) => resumeLagSeconds <= maxLagSeconds,
  },
);

const poolerDeployment = (poolSize: number) =>
  z.object({
    instances: wholeNumber('Pods of this pooler; 0 runs none.', 0, 20).default(2),
    poolSize: wholeNumber(
      'Server connections per user and database in each pod (default_pool_size).',
      1,
      10_000,
    ).default(poolSize),
  });

const pooler = z.object({
  image: image("Image with PgBouncer 1.24 or newer. Defaults to the operator's own.").optional(),
  readWrite: poolerDeployment(25).prefault({}).meta({ description: 'Pooler to the primary, port 6432.' }),
  readOnly: poolerDeployment(50)
    .prefault({})
    .meta({ description: 'Pooler to the routable replicas, port 6433.' }),
  maxClientConnections: wholeNumber('Client connections per pod (max_client_conn).', 1, 100_000).default(
    1000,
  ),
  resources: passedThrough('Resource requests and limits of the pooler containers.').optional(),
});

const probes = z.object({
  intervalMilliseconds: wholeNumber(
    'Time between two probes of an instance. Milliseconds.',
    200,
    60_000,
  ).default(1000),
  timeoutMilliseconds: wholeNumber(
    'Time after which a probe counts as failed. Milliseconds.',
    100,
    60_000,
  ).default(1000),
});

export const specSchema = withRules(
  z.object({
    postgres: postgres.prefault({}).meta({ description: 'The PostgreSQL servers.' }),
    instances: wholeNumber('Number of instances: one primary and the rest replicas.', 1, 15).default(3),
    storage: storage.meta({ description: 'The volume of each instance.' }),
    bootstrap: bootstrap.prefault({}).meta({ description: 'What the first instance is initialised with.' }),
    replication: replication.prefault({}).meta({
      description:
        'Durability of commits and WAL kept for replicas. Only maxSlotWalKeepSize is in effect yet: replication is asynchronous.',
    }),
    failover: failover.prefault({}).meta({
      description:
        'When and by whom a lost primary is replaced. Not in effect yet: this version does not fail over by itself.',
    }),
    routing: routing.prefault({}).meta({ description: 'Which replicas may serve reads.' }),
    pooler: pooler.prefault({}).meta({ description: 'The PgBouncer deployments.' }),
    probes: probes.prefault({}).meta({ description: 'How often instances are measured.' }),
    resources: passedThrough('Resource requests and limits of the PostgreSQL containers.').optional(),
    affinity: passedThrough(
      'Affinity of the instance pods. Defaults to a preference for different nodes.',
    ).optional(),
    tolerations: z
      .array(z.looseObject({}))
      .max(50)
      .optional()
      .meta({ description: 'Tolerations of the instance pods.' }),
    topologySpreadConstraints: z
      .array(z.looseObject({}))
      .max(20)
      .optional()
      .meta({ description: 'Topology spread constraints of the instance pods.' }),
    imagePullSecrets: z
      .array(z.object({ name: objectName('Name of a Secret of type kubernetes.io/dockerconfigjson.') }))
      .max(20)
      .optional()
      .meta({ description: 'Secrets for pulling images.' }),
    podMetadata: addedMetadata('Labels and annotations added to instance and pooler pods.'),
    serviceMetadata: addedMetadata('Labels and annotations added to Services.'),
  }),
  {
    rule: "!has(self.replication.durability) || self.replication.durability != 'quorum' || self.instances >= 2",
    message: 'replication.durability quorum needs at least 2 instances, raise instances or use async',
    holds: ({ replication: { durability }, instances }) => durability !== 'quorum' || instances >= 2,
  },
  {
    rule: "!('synchronous_commit' in self.postgres.parameters) || !(self.postgres.parameters['synchronous_commit'] in ['off', 'local']) || (has(self.replication.durability) ? self.replication.durability == 'async' : self.instances < 3)",
    message:
      'synchronous_commit off and local acknowledge commits that no replica has: set replication.durability to async, or leave synchronous_commit out',
    holds: ({ postgres: { parameters }, replication: { durability }, instances }) =>
      !['off', 'local'].includes(parameters['synchronous_commit'] ?? 'on') ||
      (durability === undefined ? instances < 3 : durability === 'async'),
  },
  {
    // A lag is only as young as the last answer, and one answer may be missed.
    rule: 'double(2 * self.probes.intervalMilliseconds + self.probes.timeoutMilliseconds) <= self.routing.maxLagSeconds * 1000.0',
    message:
      'two probe intervals and a timeout are longer than routing.maxLagSeconds: lower probes.intervalMilliseconds or probes.timeoutMilliseconds, or raise routing.maxLagSeconds',
    holds: ({ probes: { intervalMilliseconds, timeoutMilliseconds }, routing: { maxLagSeconds } }) =>
      2 * intervalMilliseconds + timeoutMilliseconds <= maxLagSeconds * 1000,
  },
);

/** The spec with every default filled in. */
export type ReplicatedPostgresSpec = z.output<typeof specSchema>;
