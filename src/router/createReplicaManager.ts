// The guide's face of the router: statements by declared type, and the two databases.

import type { PoolClient, QueryResult, QueryResultRow } from 'pg';
import { backgroundClock, systemClock, systemRandom } from '../lib/clock.ts';
import { RoutedClient } from './routedClient.ts';
import { Router, type RouterDeps } from './router.ts';
import { type ReplicaManagerOptions, readRouterOptions } from './routerOptions.ts';
import type { ReplicaManagerStatus } from './routerStatus.ts';
import { hasReadReplicas, statusOf } from './routerView.ts';
import { type RoutingOptions, statementOf } from './statement.ts';
import { runTransaction, type TransactionOptions } from './transaction.ts';

/** Something that runs statements; where, it decides anew for each. */
export interface Database {
  /** Resolves with the driver's result. Rejects with the server's error or a `RouterError`. */
  exec<R extends QueryResultRow = QueryResultRow>(
    sql: string,
    params?: readonly unknown[],
  ): Promise<QueryResult<R>>;
}

/** One connection inside of a transaction. */
export interface TransactionClient extends Database {
  /** In all call forms of `pg`. */
  readonly query: PoolClient['query'];
}

/** Routes statements between the primary and the replicas of one topology. */
export interface ReplicaManager {
  /**
   * A `SELECT` (in any case) is a read as far as its text is one: what locks, writes or calls a function that nobody has allowed
   * goes to the primary. Everything else goes to the primary.
   */
  routeQuery<R extends QueryResultRow = QueryResultRow>(
    type: string,
    sql: string,
    params?: readonly unknown[],
  ): Promise<QueryResult<R>>;
  /** The primary, whichever instance that is when a statement is run. */
  getWriteDatabase(): Database;
  /**
   * The replicas in turn; the primary when none can be read from and the topology allows it. A function that nobody knows runs on a
   * replica here; a write that is found in the text goes to the primary all the same.
   */
  getReadReplica(): Database;
  /**
   * Begins a transaction, runs the function in it, and ends it: on the primary, or with `readOnly` where a read may go. Rejects with
   * what the function throws, after everything has been rolled back.
   */
  transaction<T>(run: (client: TransactionClient) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Whether a read would go to a replica now. */
  hasReadReplicas(): boolean;
  /** What is known and what follows from it, for people and health checks. */
  status(): ReplicaManagerStatus;
  /** Takes no more statements, waits for those under way and closes every connection. */
  end(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const systemDeps: RouterDeps = { clock: systemClock, backgroundClock, random: systemRandom };

/** Starts following the topology at once. What is mounted already is known when this returns. */
export function createReplicaManager(
  options: ReplicaManagerOptions = {},
  deps: RouterDeps = systemDeps,
): ReplicaManager {
  return new RoutingReplicaManager(new Router(readRouterOptions(options), deps));
}

class RoutingReplicaManager implements ReplicaManager {
  readonly #router: Router;

  constructor(router: Router) {
    this.#router = router;
  }

  routeQuery<R extends QueryResultRow>(
    type: string,
    sql: string,
    params: readonly unknown[] = [],
  ): Promise<QueryResult<R>> {
    const isRead = type.trim().toUpperCase() === 'SELECT';
    return this.#run<R>(sql, params, isRead ? {} : { route: 'primary' });
  }

  getWriteDatabase(): Database {
    return { exec: (sql, params = []) => this.#run(sql, params, { route: 'primary' }) };
  }

  getReadReplica(): Database {
    return { exec: (sql, params = []) => this.#run(sql, params, { route: 'replica' }) };
  }

  transaction<T>(
    run: (client: TransactionClient) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    const client = new RoutedClient(this.#router, () => {});
    return runTransaction(client, (it) => run(it as unknown as TransactionClient), options);
  }

  hasReadReplicas(): boolean {
    return hasReadReplicas(this.#router);
  }

  status(): ReplicaManagerStatus {
    return statusOf(this.#router);
  }

  end(): Promise<void> {
    return this.#router.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }

  async #run<R extends QueryResultRow>(
    sql: string,
    params: readonly unknown[],
    options: RoutingOptions,
  ): Promise<QueryResult<R>> {
    return await this.#router.run(this.#router.begin(statementOf(sql, params, options)));
  }
}

export type { RouterDeps } from './router.ts';
