// The drop-in for `pg.Pool`: the same calls, the same events, and the reads on replicas.
//
// Invariant: what is under way when `end` is called is answered, and nothing begins after it.

import { EventEmitter } from 'node:events';
import { Client, type Pool, type PoolClient, type PoolConfig, type PoolOptions } from 'pg';
import type { ReadExplanation } from './balance/explainRead.ts';
import { explainVerdict, type StatementExplanation } from './classify/explainStatement.ts';
import { ClientGate } from './clientGate.ts';
import { hidePassword } from './connectionSettings.ts';
import { systemDeps } from './createReplicaManager.ts';
import { deliver } from './deliver.ts';
import type { PoolEvent } from './instancePool.ts';
import { type RoutedPoolOptions, readPoolSettings } from './poolSettings.ts';
import { RoutedClient } from './routedClient.ts';
import { type Call, Router, type RouterDeps } from './router.ts';
import type { ReplicaManagerStatus } from './routerStatus.ts';
import { explainRead, hasReadReplicas, statusOf } from './routerView.ts';
import {
  type Answer,
  isSubmittable,
  type RoutedQuery,
  readQueryArguments,
  type Statement,
  statementOf,
} from './statement.ts';
import { runTransaction, type TransactionOptions } from './transaction.ts';

export type { RoutedPoolOptions } from './poolSettings.ts';

/** Everything that `pg.Pool` takes, which holds for every instance (`max` for each of them), and where the replicas are. */
export interface RoutedPoolConfig extends PoolConfig {
  readonly replicaManager?: RoutedPoolOptions | undefined;
}

/** Where a statement would run now, and why. */
export interface Explanation {
  readonly statement: StatementExplanation;
  /** Where it is sent; null when it is refused. */
  readonly route: 'primary' | 'replica' | null;
  /** For a read: the instance, and why it is not another. */
  readonly read: ReadExplanation | null;
}

export type ConnectCallback = (
  error: Error | undefined,
  client: PoolClient | undefined,
  release: (error?: unknown) => void,
) => void;

export class RoutedPool extends EventEmitter {
  declare query: Pool['query'] & RoutedQuery;
  readonly options: PoolOptions;
  readonly Client = Client;
  readonly #router: Router;
  readonly #gate: ClientGate;
  #underWay = 0;
  #drained = Promise.withResolvers<void>();
  #isEnding = false;
  #hasEnded = false;

  constructor(config: RoutedPoolConfig = {}, deps: RouterDeps = systemDeps) {
    super();
    const { replicaManager, ...driverConfig } = config;
    hidePassword(Object.assign(driverConfig, { password: config.password }));
    this.options = poolOptions(driverConfig);
    this.#router = makeRouter(this.options, replicaManager, deps, (event, ...args) =>
      this.#tell(event, args),
    );
    const { max, connectionTimeoutMillis: timeoutMs = 0 } = this.options;
    this.#gate = new ClientGate({ max, timeoutMs, clock: deps.backgroundClock });
  }

  get totalCount(): number {
    return this.#router.pools.counts.total;
  }

  get idleCount(): number {
    return this.#router.pools.counts.idle;
  }

  get waitingCount(): number {
    return this.#router.pools.counts.waiting + this.#gate.waiting;
  }

  get expiredCount(): number {
    return this.#router.pools.counts.expired;
  }

  get ending(): boolean {
    return this.#isEnding;
  }

  get ended(): boolean {
    return this.#hasEnded;
  }

  connect(): Promise<PoolClient>;
  connect(callback: ConnectCallback): void;
  connect(callback?: ConnectCallback): Promise<PoolClient> | undefined {
    const connected = this.#connect();
    if (callback === undefined) return connected as Promise<unknown> as Promise<PoolClient>;
    connected.then(
      (client) =>
        process.nextTick(callback, undefined, client as unknown as PoolClient, (error?: unknown) =>
          client.release(error as Error | undefined),
        ),
      (error: Error) => process.nextTick(callback, error, undefined, () => {}),
    );
    return undefined;
  }

  /** Begins a transaction, runs the function in it, and ends it. The client is the function's until then. */
  async transaction<T>(
    run: (client: PoolClient) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    const client = await this.#connect();
    return runTransaction(client, (it) => run(it as unknown as PoolClient), options);
  }

  /** Says where a statement would run now, without running it. */
  explain(sql: string): Explanation {
    const { classifier } = this.#router;
    const statement = explainVerdict(sql, classifier.verdictOf(sql));
    const { route } = statement.verdict;
    if (route === 'denied') return { statement, route: null, read: null };
    return {
      statement,
      route,
      read: route === 'replica' ? explainRead(this.#router, statementOf(sql)) : null,
    };
  }

  status(): ReplicaManagerStatus {
    return statusOf(this.#router);
  }

  hasReadReplicas(): boolean {
    return hasReadReplicas(this.#router);
  }

  end(): Promise<void>;
  end(callback: (error?: Error) => void): void;
  end(callback?: (error?: Error) => void): Promise<void> | undefined {
    const ended = this.#end();
    if (callback === undefined) return ended;
    ended.then(
      () => process.nextTick(callback),
      (error: Error) => process.nextTick(callback, error),
    );
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isEnding) await this.#end();
  }

  async #connect(): Promise<RoutedClient> {
    this.#begin();
    let hasPlace = false;
    const client = new RoutedClient(this.#router, () => {
      if (hasPlace) this.#gate.leave();
      this.#done();
    });
    try {
      await this.#router.ready();
      // Without replicas there is one place where anything can run, so that this waits and fails as with `pg`.
      if (this.#router.document?.replicas.length === 0) await client.takePrimary();
      else {
        await this.#gate.enter();
        hasPlace = true;
      }
      return client;
    } catch (error) {
      client.release();
      throw error;
    }
  }

  #run(config: unknown, values: unknown, callback: unknown): unknown {
    if (typeof config === 'function') {
      const error = new Error('Passing a function as the first parameter to pool.query is not supported');
      return deliver(Promise.reject(error), config as never);
    }
    const given = readQueryArguments(config, values, callback);
    return deliver(this.#answer(given.statement), given.callback);
  }

  async #answer(statement: Statement): Promise<Answer> {
    this.#begin();
    try {
      const call = this.#router.begin(statement);
      return await (isSubmittable(statement.config) ? this.#submit(call) : this.#router.run(call));
    } finally {
      this.#done();
    }
  }

  async #submit(call: Call): Promise<Answer> {
    const client = new RoutedClient(this.#router, () => {});
    try {
      return await new Promise<Answer>((resolve, reject) => {
        const callback = (error: Error | undefined, result?: Answer) =>
          error ? reject(error) : resolve(result as Answer);
        client.query(call.statement.config, call.statement.values, callback);
      });
    } finally {
      client.release();
    }
  }

  #begin(): void {
    if (this.#isEnding) throw new Error('Cannot use a pool after calling end on the pool');
    this.#underWay += 1;
  }

  #done(): void {
    this.#underWay -= 1;
    if (this.#isEnding && this.#underWay === 0) this.#drained.resolve();
  }

  async #end(): Promise<void> {
    if (this.#isEnding) throw new Error('Called end on pool more than once');
    this.#isEnding = true;
    if (this.#underWay > 0) await this.#drained.promise;
    await this.#router.end();
    this.#hasEnded = true;
  }

  #tell(event: PoolEvent, args: readonly unknown[]): void {
    // Also of an error: nobody loses a statement with an idle connection, so an application that does not listen goes on.
    if (this.listenerCount(event) > 0) this.emit(event, ...args);
  }

  static {
    // The call forms are those of `pg`, whose types describe them.
    RoutedPool.prototype.query = function (
      this: RoutedPool,
      config: unknown,
      values?: unknown,
      callback?: unknown,
    ) {
      return this.#run(config, values, callback);
    } as Pool['query'] & RoutedQuery;
  }
}

/** As `pg.Pool` fills them in. */
function poolOptions(config: PoolConfig): PoolOptions {
  const options = {
    ...config,
    max: config.max || 10,
    min: config.min || 0,
    maxUses: config.maxUses || Number.POSITIVE_INFINITY,
    allowExitOnIdle: config.allowExitOnIdle ?? false,
    maxLifetimeSeconds: config.maxLifetimeSeconds || 0,
    idleTimeoutMillis: config.idleTimeoutMillis === undefined ? 10_000 : config.idleTimeoutMillis,
    password: config.password,
  };
  hidePassword(options);
  return options;
}

function makeRouter(
  options: PoolOptions,
  replicaManager: RoutedPoolOptions | undefined,
  deps: RouterDeps,
  onEvent: (event: PoolEvent, ...args: readonly unknown[]) => void,
): Router {
  return new Router(readPoolSettings(options, replicaManager), deps, onEvent);
}
