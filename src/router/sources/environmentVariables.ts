// Every variable that configures the library and its service, with its unit and default. docs/reference/environment.md shows this
// table, and a test compares the two.

export interface EnvironmentVariable {
  readonly unit: 'text' | 'number' | 'duration' | 'milliseconds' | 'true or false' | 'URL' | 'URLs' | 'path';
  /** As people write it; undefined when there is none. */
  readonly default: string | undefined;
  readonly meaning: string;
}

export const environmentVariables = {
  REPLICA_MANAGER_ENDPOINTS_FILE: {
    unit: 'path',
    default: '/etc/replica-manager/endpoints/endpoints.json',
    meaning: 'the mounted endpoints document; wins over every address below',
  },
  REPLICA_MANAGER_ENDPOINTS_URL: {
    unit: 'URL',
    default: undefined,
    meaning:
      'stream of a Replica Manager service, `http://host:4000/endpoints/stream`; beside a file that is named too, the newer document wins',
  },
  REPLICA_MANAGER_CREDENTIALS_DIR: {
    unit: 'path',
    default: '/etc/replica-manager/credentials',
    meaning: 'folder with `username`, `password`, `database` and `ca.crt`, for the file and the stream',
  },
  REPLICA_MANAGER_TLS: {
    unit: 'text',
    default: '`verify-full` with a file or stream, `off` with `DB_HOST`',
    meaning: '`verify-full` checks chain and host name; `off` encrypts nothing',
  },
  REPLICA_MANAGER_BEHIND_POOLER: {
    unit: 'true or false',
    default: '`false`, `true` with `DB_HOST`',
    meaning:
      'whether the addresses are those of PgBouncers, which refuse settings at login that they do not know',
  },
  REPLICA_MANAGER_POOL_SIZE: {
    unit: 'number',
    default: '10',
    meaning: 'most connections to each instance; wins over `DB_MAX_CONNECTIONS`',
  },
  REPLICA_MANAGER_APPLICATION_NAME: {
    unit: 'text',
    default: '`replica-manager`',
    meaning: "as the server's statistics call the connections",
  },
  USE_READ_REPLICAS: {
    unit: 'true or false',
    default: 'false',
    meaning: 'whether reads go to `READ_REPLICA_CONNECTION_STRING`; otherwise all go to the primary',
  },
  DB_HOST: {
    unit: 'text',
    default: undefined,
    meaning:
      'host of the primary or of the PgBouncer before it; with it the addresses come from the environment',
  },
  DB_PORT: { unit: 'number', default: '5432', meaning: 'its port' },
  DB_NAME: { unit: 'text', default: undefined, meaning: 'its database; needed with `DB_HOST`' },
  DB_USER: { unit: 'text', default: undefined, meaning: 'user of the primary; needed with `DB_HOST`' },
  DB_PASSWORD: { unit: 'text', default: 'none', meaning: 'its password' },
  PGSSLMODE: {
    unit: 'text',
    default: '`disable`',
    meaning: '`disable` or `verify-full`, with `DB_HOST` only; `REPLICA_MANAGER_TLS` wins',
  },
  PGSSLROOTCERT: {
    unit: 'path',
    default: "Node's own authorities",
    meaning: 'certificate authorities (PEM) for `verify-full`, with `DB_HOST` only',
  },
  DB_MAX_CONNECTIONS: { unit: 'number', default: '10', meaning: 'most connections to each instance' },
  DB_MIN_CONNECTIONS: {
    unit: 'number',
    default: '0',
    meaning: 'connections to each instance that stay open when idle',
  },
  DB_MAX_IDLE_TIME: {
    unit: 'duration',
    default: '30s',
    meaning: 'an unused connection is closed after this',
  },
  DB_MAX_LIFETIME: { unit: 'duration', default: '1h', meaning: 'a connection is replaced after this' },
  DB_CONNECTION_TIMEOUT: {
    unit: 'duration',
    default: '5s',
    meaning: 'longest wait for a connection, new or from the pool',
  },
  DB_QUERY_TIMEOUT: { unit: 'duration', default: '60s', meaning: 'longest run of one statement' },
  READ_REPLICA_CONNECTION_STRING: {
    unit: 'URLs',
    default: undefined,
    meaning:
      'one URL for each replica, separated by commas or white space; each may have a user, password and database of its own. They are called `read_replica`, `read_replica_2`, …',
  },
  REPLICA_HEALTH_CHECK_INTERVAL: {
    unit: 'milliseconds',
    default: '30000',
    meaning:
      'how often each instance is asked while no replica is read from; while one is, at least every quarter of `maxLagSeconds`',
  },
  REPLICA_QUERY_TIMEOUT: {
    unit: 'duration',
    default: '`DB_QUERY_TIMEOUT`',
    meaning: 'longest run of one statement on a replica',
  },
  REPLICA_CONNECTION_TIMEOUT: {
    unit: 'duration',
    default: '`DB_CONNECTION_TIMEOUT`',
    meaning: 'longest wait for a connection to a replica',
  },
} as const satisfies Readonly<Record<string, EnvironmentVariable>>;

export type VariableName = keyof typeof environmentVariables;
