// The spec of a ReplicatedPostgres: the one source of the CRD's schema, the API reference and the
// types. Every field has a description, because it is what `kubectl explain` prints. Rules that
// compare fields or forbid changes are CEL, so that the API server says no before anything is stored.
import { z } from 'zod';
import { bytesPattern } from '../lib/quantity.ts';
import { reservedParameters } from './reservedParameters.ts';

interface Rule {
  readonly rule: string;
  readonly message: string;
}
const rules = (...list: Rule[]) => ({ 'x-kubernetes-validations': list });
const immutable = (what: string, instead: string): Rule => ({
  rule: 'self == oldSelf',
  message: `${what} cannot be changed, ${instead}`,
});

const byteSize = (description: string) =>
  z
    .string()
    .max(24)
    .regex(new RegExp(bytesPattern), 'write a size such as 512Mi or 10Gi')
    .meta({ description });
const seconds = (description: string, min: number, max: number) =>
  z
    .int32()
    .min(min)
    .max(max)
    .meta({ description: `${description} Seconds, ${min} to ${max}.` });

/** Parts of Kubernetes' own API that are passed through to pods; the API server checks them there. */
const passedThrough = (description: string) => z.looseObject({}).meta({ description });
const stringMap = (description: string) => z.record(z.string(), z.string().max(4096)).meta({ description });

const reservedList = Object.keys(reservedParameters);
const parameterRules = [
  {
    rule: `!self.exists(key, key in [${reservedList.map((name) => `'${name}'`).join(', ')}])`,
    message: `parameters that the operator sets itself cannot be given: ${reservedList.join(', ')}; docs/reference/api.md tells what to use instead`,
  },
  {
    rule: "self.all(key, key.matches('^[a-z_][a-z0-9_]*([.][a-z_][a-z0-9_]*)?$'))",
    message:
      'names of PostgreSQL parameters are lower case, for example work_mem or auto_explain.log_min_duration',
  },
];

const postgres = z.strictObject({
  version: z
    .int32()
    .min(15)
    .max(18)
    .default(17)
    .meta({
      description: 'Major version of PostgreSQL, 15 to 18.',
      ...rules(
        immutable(
          'postgres.version',
          'create a new ReplicatedPostgres and move the data with pg_dump or logical replication',
        ),
      ),
    }),
  image: z
    .string()
    .min(1)
    .max(512)
    .regex(/^[^\s]+$/)
    .optional()
    .meta({
      description:
        'A Debian-based image with the layout of the official one. Defaults to postgres:<version>.',
    }),
  parameters: z
    .record(z.string(), z.string().max(4096))
    .default({})
    .meta({
      description:
        'Settings of postgresql.conf. What needs a restart is reported in the condition PendingRestart.',
      maxProperties: 200,
      ...rules(...parameterRules),
    }),
  hba: z
    .array(
      z
        .string()
        .min(1)
        .max(512)
        .regex(/^(local|host|hostssl|hostnossl|hostgssenc|hostnogssenc)\s[^\n\r]+$/),
    )
    .max(100)
    .default([])
    .meta({
      description:
        'Lines of pg_hba.conf, added after those the operator needs. Each starts with local, host, hostssl, hostnossl, hostgssenc or hostnogssenc.',
    }),
});

const storage = z.strictObject({
  size: byteSize('Size of the volume of each instance. It may grow, never shrink.').meta({
    ...rules(
      {
        rule: "quantity(self).isGreaterThan(quantity('64Mi'))",
        message: 'storage.size must be more than 64Mi, an empty PostgreSQL needs that much',
      },
      {
        rule: 'quantity(self).compareTo(quantity(oldSelf)) >= 0',
        message: 'storage.size cannot shrink, keep the old size or create a new ReplicatedPostgres',
      },
    ),
  }),
  storageClassName: z
    .string()
    .min(1)
    .max(253)
    .optional()
    .meta({
      description: "Storage class of the volumes. Defaults to the cluster's default class.",
      ...rules(immutable('storage.storageClassName', 'create a new ReplicatedPostgres')),
    }),
  onDelete: z
    .enum(['Retain', 'Delete'])
    .default('Retain')
    .meta({
      description:
        'What happens to the volumes when the ReplicatedPostgres is deleted or an instance is scaled away.',
    }),
});

const identifier = (description: string, fallback: string) =>
  z
    .string()
    .max(63)
    .regex(/^[a-z_][a-z0-9_]*$/)
    .default(fallback)
    .meta({ description });

const bootstrap = z
  .strictObject({
    database: identifier(
      'Database that is made for the application. Lower case letters, digits and _.',
      'app',
    ).meta(
      rules({
        rule: "!(self in ['postgres', 'template0', 'template1'])",
        message: 'bootstrap.database must not be one of postgres, template0, template1',
      }),
    ),
    owner: identifier('Role that owns the database and that the application logs in as.', 'app').meta(
      rules({
        rule: "self != 'postgres' && !self.startsWith('pg_') && !self.startsWith('replica_manager')",
        message:
          'bootstrap.owner must not be postgres nor start with pg_ or replica_manager, those names are taken',
      }),
    ),
  })
  .meta(
    rules(
      immutable(
        'bootstrap',
        'it is only read when the first instance is initialised; use SQL to add databases and roles',
      ),
    ),
  );

const replication = z.strictObject({
  durability: z
    .enum(['quorum', 'async'])
    .optional()
    .meta({
      description:
        'quorum: a commit is acknowledged when a quorum of replicas has it. async: at once. Defaults to quorum from 3 instances on, else async.',
    }),
  whenNoReplica: z
    .enum(['wait', 'continue'])
    .default('wait')
    .meta({
      description:
        'With quorum and no replica left: wait holds commits back, continue acknowledges them without a replica.',
    }),
  maxSlotWalKeepSize: byteSize(
    'WAL kept for a replica that is away. Beyond it the replica is cloned again.',
  ).default('8Gi'),
});

const failover = z.strictObject({
  leaseSeconds: seconds('How long a primary may be silent before a replica takes over.', 5, 300).default(10),
  maxLagBytes: byteSize('A replica further behind than this is not promoted automatically.').default('16Mi'),
  delaySeconds: seconds(
    'Additional wait before a failover, to give the primary time to come back.',
    0,
    3600,
  ).default(0),
});

const routing = z
  .strictObject({
    maxLagSeconds: z
      .number()
      .positive()
      .max(86_400)
      .default(10)
      .meta({ description: 'A replica further behind leaves the reads. Seconds.' }),
    resumeLagSeconds: z
      .number()
      .nonnegative()
      .max(86_400)
      .default(5)
      .meta({
        description:
          'A replica comes back to the reads below this lag. Seconds, less than or equal to maxLagSeconds.',
      }),
    maxLagBytes: byteSize('A replica further behind than this leaves the reads as well.').optional(),
    fallbackToPrimary: z
      .boolean()
      .default(true)
      .meta({ description: 'Whether reads go to the primary when no replica is routable.' }),
  })
  .meta(
    rules({
      rule: 'self.resumeLagSeconds <= self.maxLagSeconds',
      message:
        'routing.resumeLagSeconds must not be above routing.maxLagSeconds, or a replica would come back while it is too late',
    }),
  );

const poolerDeployment = (poolSize: number) =>
  z.strictObject({
    instances: z
      .int32()
      .min(0)
      .max(20)
      .default(2)
      .meta({ description: 'Pods of this pooler, 0 to 20. 0 runs none.' }),
    poolSize: z
      .int32()
      .min(1)
      .max(10_000)
      .default(poolSize)
      .meta({ description: 'Server connections per user and database in each pod (default_pool_size).' }),
  });

const pooler = z.strictObject({
  image: z
    .string()
    .min(1)
    .max(512)
    .regex(/^[^\s]+$/)
    .optional()
    .meta({ description: "Image with PgBouncer 1.24 or newer. Defaults to the operator's own." }),
  readWrite: poolerDeployment(25).prefault({}).meta({ description: 'Pooler to the primary, port 6432.' }),
  readOnly: poolerDeployment(50)
    .prefault({})
    .meta({ description: 'Pooler to the routable replicas, port 6433.' }),
  maxClientConnections: z
    .int32()
    .min(1)
    .max(100_000)
    .default(1000)
    .meta({ description: 'Client connections per pod (max_client_conn).' }),
  resources: passedThrough('Resource requests and limits of the pooler containers.').optional(),
});

const probes = z.strictObject({
  intervalMilliseconds: z
    .int32()
    .min(200)
    .max(60_000)
    .default(1000)
    .meta({ description: 'Time between two probes of an instance. Milliseconds, 200 to 60000.' }),
  timeoutMilliseconds: z
    .int32()
    .min(100)
    .max(60_000)
    .default(1000)
    .meta({ description: 'Time after which a probe counts as failed. Milliseconds, 100 to 60000.' }),
});

const podMetadata = z.strictObject({
  labels: stringMap('Additional labels.').default({}),
  annotations: stringMap('Additional annotations.').default({}),
});

export const specSchema = z
  .strictObject({
    postgres: postgres.prefault({}).meta({ description: 'The PostgreSQL servers.' }),
    instances: z
      .int32()
      .min(1)
      .max(15)
      .default(3)
      .meta({ description: 'Number of instances: one primary and the rest replicas. 1 to 15.' }),
    storage: storage.meta({ description: 'The volume of each instance.' }),
    bootstrap: bootstrap.prefault({}).meta({ description: 'What the first instance is initialised with.' }),
    replication: replication
      .prefault({})
      .meta({ description: 'Durability of commits and WAL kept for replicas.' }),
    failover: failover.prefault({}).meta({ description: 'When and by whom a lost primary is replaced.' }),
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
      .array(z.strictObject({ name: z.string().min(1).max(253) }))
      .max(20)
      .optional()
      .meta({ description: 'Secrets for pulling images.' }),
    podMetadata: podMetadata
      .prefault({})
      .meta({ description: 'Labels and annotations added to instance and pooler pods.' }),
    serviceMetadata: podMetadata
      .prefault({})
      .meta({ description: 'Labels and annotations added to Services.' }),
  })
  .meta(
    rules({
      rule: "!has(self.replication.durability) || self.replication.durability != 'quorum' || self.instances >= 2",
      message: 'replication.durability quorum needs at least 2 instances, raise instances or use async',
    }),
  );

/** The spec with every default filled in. */
export type ReplicatedPostgresSpec = z.output<typeof specSchema>;
