// How the driver connects to one instance: by the router's own options, or by those that an application gave for `pg.Pool`.

import { Client, type PoolConfig } from 'pg';
import type { Endpoint } from '../endpoints/endpointsDocument.ts';
import type { RouterSettings } from './routerOptions.ts';
import type { Credentials } from './sources/credentialsDirectory.ts';

/** The operating system's default of two hours would leave the connections of a dead node for ever. */
const keepAliveIdleMs = 10_000;

/** The server cancels first and says so; only a server that says nothing runs into the driver's own limit. */
const answerGraceMs = 5_000;

export function connectionSettings(
  endpoint: Endpoint,
  credentials: Credentials,
  settings: RouterSettings,
  isReplica = false,
): PoolConfig {
  const { host, port } = endpoint;
  const connectTimeoutMs = isReplica ? settings.replicaConnectTimeoutMs : settings.connectTimeoutMs;
  const statementTimeoutMs = isReplica ? settings.replicaStatementTimeoutMs : settings.statementTimeoutMs;
  if (settings.driver !== undefined) {
    const driver = settings.behindPooler ? withOwnDeadline(settings.driver) : settings.driver;
    return { ...loginOf(credentials, driver), host, port };
  }
  return {
    host,
    port,
    user: credentials.username,
    password: credentials.password,
    database: credentials.database,
    // As libpq's `verify-full`: the chain must lead to our authority and the name must be the host's,
    // which the driver compares with `host`.
    ssl: settings.tls === 'off' ? false : { ca: credentials.ca, rejectUnauthorized: true },
    application_name: settings.applicationName,
    max: settings.poolSize,
    min: settings.minPoolSize,
    connectionTimeoutMillis: connectTimeoutMs,
    idleTimeoutMillis: settings.idleTimeoutMs,
    maxLifetimeSeconds: settings.maxLifetimeMs / 1000,
    // A script that has done its work ends although it did not call `end`.
    allowExitOnIdle: true,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveIdleMs,
    ...(settings.behindPooler
      ? { query_timeout: statementTimeoutMs }
      : { statement_timeout: statementTimeoutMs, query_timeout: statementTimeoutMs + answerGraceMs }),
  };
}

/** PgBouncer refuses `statement_timeout` at login, so that the driver keeps that time itself, and the statement is cancelled by us. */
function withOwnDeadline({ statement_timeout: statementTimeoutMs, ...driver }: PoolConfig): PoolConfig {
  return { ...driver, query_timeout: driver.query_timeout || statementTimeoutMs || undefined };
}

/** What the application gave for `pg.Pool` comes first; the credentials of the topology fill in what it left out. */
function loginOf({ username, password, database, ca }: Credentials, driver: PoolConfig): PoolConfig {
  return {
    ...driver,
    user: driver.user ?? username,
    password: driver.password ?? password,
    database: driver.database ?? database,
    ssl: driver.ssl ?? (ca === undefined ? false : { ca, rejectUnauthorized: true }),
  };
}

/** Where `pg` would connect to by these options, the connection string and the environment (`PGHOST`, …). */
export interface DriverTarget {
  readonly host: string;
  readonly port: number;
  /** The options without what names one server, so that they hold for every instance. */
  readonly driver: PoolConfig;
}

/**
 * Asks the driver itself, by a client that never connects. Where the topology brings credentials, only what is said in so many
 * words counts, not the defaults of the machine. @throws what `pg` throws for options that are wrong
 */
export function readDriverTarget(config: PoolConfig, hasCredentials: boolean): DriverTarget {
  const client = new Client(config) as unknown as { connectionParameters: PoolConfig & Required<Endpoint> };
  const { connectionParameters: found } = client;
  const driver: PoolConfig = { ...config, keepAlive: config.keepAlive ?? true };
  for (const name of fromParameters) {
    if (found[name] !== undefined && found[name] !== null) Object.assign(driver, { [name]: found[name] });
  }
  if (hasCredentials && config.connectionString === undefined) {
    for (const name of ['user', 'password', 'database', 'ssl'] as const) {
      if (config[name] === undefined) delete driver[name];
    }
  }
  hidePassword(driver);
  delete driver.connectionString;
  // Statements of a routed client run one after the other, each where it belongs.
  delete driver.pipeline;
  return { host: found.host, port: found.port, driver };
}

// What a connection string or the environment may say, as the driver has understood it.
const fromParameters = [
  'user',
  'database',
  'password',
  'ssl',
  'sslnegotiation',
  'options',
  'client_encoding',
  'application_name',
  'fallback_application_name',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'query_timeout',
] as const satisfies readonly (keyof PoolConfig)[];

/** As `pg` does: a password must not be seen where options are printed. */
export function hidePassword(config: PoolConfig): void {
  const { password } = config;
  if (password === undefined) return;
  Object.defineProperty(config, 'password', {
    configurable: true,
    enumerable: false,
    writable: true,
    value: password,
  });
}
