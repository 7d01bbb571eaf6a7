// The connections to one instance.
//
// Invariant: a pool that is retired takes no new statement and ends only when the last one under way has
// its answer, including those that still wait for a connection. (`pg.Pool.end` alone forgets the latter:
// they hang until their connection timeout.) A connection goes back only outside a transaction: what the
// next statement writes would be lost in a transaction that somebody else has begun.

import { Pool, type PoolClient, type QueryResult, type QueryResultRow } from 'pg';
import type { Endpoint } from '../endpoints/endpointsDocument.ts';
import { assert } from '../lib/assert.ts';
import type { Log } from '../lib/log.ts';
import type { Credentials } from './credentialsDirectory.ts';
import { type Failure, judgeFailure, messageOf } from './judgeFailure.ts';
import { RouterError } from './routerError.ts';
import type { RouterSettings } from './routerOptions.ts';

export type Attempt<R extends QueryResultRow> =
  | { readonly kind: 'answered'; readonly result: QueryResult<R> }
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface PoolCounts {
  readonly total: number;
  readonly idle: number;
  /** Statements that wait for a connection. */
  readonly waiting: number;
}

export class InstancePool {
  readonly #pool: Pool;
  #underWay = 0;
  #open = 0;
  #isRetired = false;
  readonly #ended = Promise.withResolvers<void>();

  constructor(endpoint: Endpoint, credentials: Credentials, settings: RouterSettings, log: Log) {
    this.#pool = new Pool(poolConfig(endpoint, credentials, settings));
    // A server that goes away takes its idle connections with it; the pool drops them and says so here.
    // Without a listener that would end the process.
    this.#pool.on('error', (error) => {
      log.debug(
        { host: endpoint.host, port: endpoint.port, reason: messageOf(error) },
        'idle connection lost',
      );
    });
    // The pool listens on idle connections only. On one in use the error also rejects the query.
    this.#pool.on('connect', (client) => {
      this.#open += 1;
      client.on('error', () => {});
    });
    this.#pool.on('remove', () => {
      this.#open -= 1;
    });
  }

  get counts(): PoolCounts {
    const { totalCount, idleCount, waitingCount } = this.#pool;
    return { total: totalCount, idle: idleCount, waiting: waitingCount };
  }

  /** One statement on one connection, outside any transaction. A failure is a value. */
  async attempt<R extends QueryResultRow>(sql: string, params: readonly unknown[]): Promise<Attempt<R>> {
    assert(!this.#isRetired, 'a retired pool is out of everyone’s reach');
    this.#underWay += 1;
    try {
      return await this.#query<R>(sql, params);
    } finally {
      this.#underWay -= 1;
      this.#endWhenDone();
    }
  }

  /** Resolves when the statements under way are answered and the connections are closed. */
  retire(): Promise<void> {
    if (!this.#isRetired) {
      this.#isRetired = true;
      this.#endWhenDone();
    }
    return this.#ended.promise;
  }

  async #query<R extends QueryResultRow>(sql: string, params: readonly unknown[]): Promise<Attempt<R>> {
    let client: PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      return { kind: 'failed', failure: this.#judgeConnecting(error) };
    }
    try {
      const result = await client.query<R>(sql, [...params]);
      const isOutside = client.getTransactionStatus() === 'I';
      client.release(!isOutside);
      if (isOutside) return { kind: 'answered', result };
      return { kind: 'failed', failure: judgeFailure(transactionLeftOpen(), 'querying') };
    } catch (error) {
      const failure = judgeFailure(error, 'querying');
      const isUsable = failure.isConnectionUsable && (await isOutsideTransaction(client, params));
      client.release(!isUsable);
      return { kind: 'failed', failure: { ...failure, isConnectionUsable: isUsable } };
    }
  }

  /** Those who wait behind connections that are all still being tried wait for the server, not for each other. */
  #judgeConnecting(error: unknown): Failure {
    const failure = judgeFailure(error, 'connecting');
    return failure.kind === 'busy' && this.#open === 0 ? { ...failure, kind: 'connection' } : failure;
  }

  #endWhenDone(): void {
    if (this.#isRetired && this.#underWay === 0) this.#ended.resolve(this.#pool.end());
  }
}

function transactionLeftOpen(): RouterError {
  return new RouterError(
    'RPG_TRANSACTION_LEFT_OPEN',
    'the statement left a transaction open, which was rolled back: each statement gets a connection of its own, so send one statement that does it all or use a client of pg',
  );
}

/**
 * Whether a connection is outside any transaction after a failed statement. The error may be here before
 * the server tells the state, so the server is asked with an empty statement. Only text without
 * parameters can hold several statements, of which one began a transaction before another failed.
 */
async function isOutsideTransaction(client: PoolClient, params: readonly unknown[]): Promise<boolean> {
  if (params.length > 0) return true;
  try {
    await client.query('');
    return client.getTransactionStatus() === 'I';
  } catch {
    return false;
  }
}

/** The operating system's default of two hours would leave the connections of a dead node for ever. */
const keepAliveIdleMs = 10_000;

/** The server cancels first and says so; only a server that says nothing runs into the driver's own limit. */
const answerGraceMs = 5_000;

function poolConfig(endpoint: Endpoint, credentials: Credentials, settings: RouterSettings) {
  return {
    host: endpoint.host,
    port: endpoint.port,
    user: credentials.username,
    password: credentials.password,
    database: credentials.database,
    // As libpq's `verify-full`: the chain must lead to our authority and the name must be the host's,
    // which the driver compares with `host`.
    ssl: settings.tls === 'off' ? false : { ca: credentials.ca, rejectUnauthorized: true },
    application_name: settings.applicationName,
    max: settings.poolSize,
    connectionTimeoutMillis: settings.connectTimeoutMs,
    idleTimeoutMillis: settings.idleTimeoutMs,
    maxLifetimeSeconds: settings.maxLifetimeMs / 1000,
    // A script that has done its work ends although it did not call `end`.
    allowExitOnIdle: true,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveIdleMs,
    statement_timeout: settings.statementTimeoutMs,
    query_timeout: settings.statementTimeoutMs + answerGraceMs,
  };
}
