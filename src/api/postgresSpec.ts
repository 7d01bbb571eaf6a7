// The parts of the spec that describe the servers themselves: settings, volume, first initialisation.
import { z } from 'zod';
import { parseBytes } from '../lib/quantity.ts';
import { reservedParameters } from './reservedParameters.ts';
import { celString, immutable, type Rule, shaped, withRules } from './rule.ts';
import { byteSize, identifier, image, objectName, oneLine } from './specFields.ts';

type Parameters = Readonly<Record<string, string>>;

/**
 * Fifteen instances, each of which has a slot and streams, over two connections while it is cloned: fewer would
 * lock replicas out. The agent raises its own defaults to the same floors.
 */
const sendersAtLeast = 32;
const slotsAtLeast = 24;
const parameterName = '^[a-z_][a-z0-9_]*([.][a-z_][a-z0-9_]*)?$';

/** One rule for each, so that the message names the parameter that was given and its own reason. */
const notReserved = Object.entries(reservedParameters).map(
  ([name, reason]): Rule<Parameters> => ({
    rule: `!(${celString(name)} in self)`,
    message: `remove ${name} from postgres.parameters: ${reason}`,
    holds: (parameters) => !(name in parameters),
  }),
);

const named: Rule<Parameters> = {
  rule: `self.all(key, key.matches(${celString(parameterName)}))`,
  message:
    'write names of PostgreSQL parameters in lower case, for example work_mem or auto_explain.log_min_duration',
  holds: (parameters) => Object.keys(parameters).every((name) => new RegExp(parameterName).test(name)),
};

const enough = (name: string, floor: number): Rule<Parameters> => ({
  rule: `!('${name}' in self) || (self['${name}'].matches('^[0-9]{1,6}$') && int(self['${name}']) >= ${floor})`,
  message: `set ${name} to a number of at least ${floor}, or leave it out`,
  holds: ({ [name]: value }) => value === undefined || (/^[0-9]{1,6}$/.test(value) && Number(value) >= floor),
});

export const postgres = z.object({
  version: withRules(
    z.int32().min(15).max(18).meta({ description: 'Major version of PostgreSQL.' }),
    immutable(
      'postgres.version',
      'create a new ReplicatedPostgres and move the data with pg_dump or logical replication',
    ),
  ).default(17),
  image: image(
    'A Debian-based image with the layout of the official one. Defaults to postgres:<version>.',
  ).optional(),
  parameters: withRules(
    z.record(z.string(), oneLine()).meta({
      description:
        'Settings of postgresql.conf. What needs a restart is reported in the condition PendingRestart.',
      maxProperties: 200,
    }),
    ...notReserved,
    named,
    enough('max_wal_senders', sendersAtLeast),
    enough('max_replication_slots', slotsAtLeast),
  ).default({}),
  hba: z
    .array(
      withRules(
        z.string().max(512),
        shaped(
          '^(local([ \\t]+[^\\s]+){3,}|host(ssl|nossl|gssenc|nogssenc)?([ \\t]+[^\\s]+){4,})[ \\t]*$',
          'write a line of pg_hba.conf: type, database, user, address and method, for example hostssl all all 10.0.0.0/8 scram-sha-256',
        ),
        {
          rule: "!self.startsWith('local')",
          message:
            "remove lines of the type local from postgres.hba: they are never reached, the agent's own line for the socket comes first",
          holds: (line: string) => !line.startsWith('local'),
        },
      ),
    )
    .max(100)
    .default([])
    .meta({
      description:
        'Lines of pg_hba.conf, added after those that the operator needs. Each begins with host, hostssl, hostnossl, hostgssenc or hostnogssenc.',
    }),
});

const isSize = (text: string): boolean => /^[0-9]+(\.[0-9]+)?([kMGTP]|[KMGTP]i)?$/.test(text);

export const storage = withRules(
  z.object({
    size: withRules(
      byteSize('Size of the volume of each instance. It may grow, never shrink.'),
      {
        rule: "!isQuantity(self) || quantity(self).isGreaterThan(quantity('64Mi'))",
        message: 'set storage.size to more than 64Mi, an empty PostgreSQL needs that much',
        holds: (size: string) => !isSize(size) || parseBytes(size) > 64 * 2 ** 20,
      },
      {
        rule: '!isQuantity(self) || !isQuantity(oldSelf) || quantity(self).compareTo(quantity(oldSelf)) >= 0',
        message: 'storage.size cannot shrink, keep the old size or create a new ReplicatedPostgres',
      },
    ),
    storageClassName: objectName(
      "Storage class of the volumes. Defaults to the cluster's default class.",
    ).optional(),
    onDelete: z.enum(['Retain', 'Delete']).default('Retain').meta({
      description:
        'What happens to the volumes when the ReplicatedPostgres is deleted or an instance is scaled away.',
    }),
  }),
  {
    rule: 'has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)',
    message: 'storage.storageClassName cannot be changed, create a new ReplicatedPostgres',
  },
);

export const bootstrap = withRules(
  z.object({
    database: withRules(identifier('Database that is made for the application.'), {
      rule: "!(self in ['postgres', 'template0', 'template1'])",
      message: 'choose another bootstrap.database: postgres, template0 and template1 exist already',
      holds: (name: string) => !['postgres', 'template0', 'template1'].includes(name),
    }).default('app'),
    owner: withRules(identifier('Role that owns the database and that the application logs in as.'), {
      rule: "self != 'postgres' && !self.startsWith('pg_') && !self.startsWith('replica_manager')",
      message:
        'choose another bootstrap.owner: postgres and names that begin with pg_ or replica_manager are taken',
      holds: (name: string) => name !== 'postgres' && !/^(pg_|replica_manager)/.test(name),
    }).default('app'),
  }),
  immutable(
    'bootstrap',
    'it is read only when the first instance is initialised; use SQL to add databases and roles',
  ),
);
