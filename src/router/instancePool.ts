// The connections to one instance.
//
// Invariant: a pool that is retired takes no new statement and ends only when the last one under way has
// its answer, including those that still wait for a connection. (`pg.Pool.end` alone forgets the latter:
// they hang until their connection timeout.) With a deadline, what is under way then loses its connection.

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Pool, type PoolClient, type PoolConfig } from 'pg';
import { assert } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { codeOf, type Failure, judgeFailure, messageOf } from './judgeFailure.ts';
import { type Attempt, destroyConnection, Lease, type LeaseOwner } from './lease.ts';
import { RouterError } from './routerError.ts';
import type { Statement } from './statement.ts';

export interface PoolCounts {
  readonly total: number;
  readonly idle: number;
  /** Statements that wait for a connection. */
  readonly waiting: number;
}

/** As the events of `pg.Pool`, with the driver's own clients. */
export type PoolEvent = 'connect' | 'acquire' | 'release' | 'remove' | 'error';
export type PoolListener = (event: PoolEvent, ...args: readonly unknown[]) => void;

export interface InstancePoolDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly onEvent: PoolListener;
  /** An idle connection is gone that nobody here has closed. */
  readonly onLost: (instance: string) => void;
}

export interface InstancePoolOptions {
  readonly name: string;
  readonly connection: PoolConfig;
  /** See `LeaseOwner`. */
  readonly isDeadline: boolean;
}

/** What the driver knows and its types do not tell. */
interface DriverClient {
  readonly connection: { readonly stream: { destroy(): void } };
}

export type Leased =
  | { readonly kind: 'leased'; readonly lease: Lease }
  | { readonly kind: 'failed'; readonly failure: Failure };

const lossEvents = ['error', 'end'] as const;

export class InstancePool {
  readonly #options: InstancePoolOptions;
  readonly #deps: InstancePoolDeps;
  readonly #pool: Pool;
  readonly #owner: LeaseOwner;
  readonly #lost = new WeakSet<PoolClient>();
  #underWay = 0;
  readonly #open = new Set<PoolClient>();
  #isRetired = false;
  #isOverdue = false;
  #isAbandoned = false;
  readonly #ended = Promise.withResolvers<void>();

  constructor(options: InstancePoolOptions, deps: InstancePoolDeps) {
    this.#options = options;
    this.#deps = deps;
    const { connection } = options;
    this.#pool = new Pool({ ...connection, stream: () => this.#keep(connection.stream?.() ?? new Socket()) });
    this.#owner = {
      clock: deps.clock,
      isDeadline: options.isDeadline,
      prepared: { areKept: true },
      hasLost: (client) => this.#lost.has(client),
      onReturned: () => this.#returned(),
    };
    this.#listen(deps);
  }

  get counts(): PoolCounts {
    const { totalCount, idleCount, waitingCount } = this.#pool;
    return { total: totalCount, idle: idleCount, waiting: waitingCount };
  }

  get expiredCount(): number {
    return this.#pool.expiredCount;
  }

  /** Takes a connection out; the taker releases it. A failure is a value. */
  lease(): Promise<Leased> {
    assert(!this.#isRetired, 'a retired pool is out of everyone’s reach');
    this.#underWay += 1;
    const { promise, resolve } = Promise.withResolvers<Leased>();
    const failed = (error: unknown) => {
      this.#returned();
      resolve({ kind: 'failed', failure: this.#judgeConnecting(error) });
    };
    try {
      this.#pool.connect((error, client) => {
        if (client === undefined) failed(error);
        else resolve({ kind: 'leased', lease: new Lease(client, this.#owner) });
      });
    } catch (error) {
      failed(error);
    }
    return promise;
  }

  /** One statement on one connection, outside any transaction. A failure is a value. */
  async attempt(statement: Statement, isStateLeft = false): Promise<Attempt> {
    const leased = await this.lease();
    if (leased.kind === 'failed') return leased;
    const { lease } = leased;
    const attempt = await lease.run(statement);
    const isLeftOpen = lease.isInTransaction;
    lease.release(isStateLeft ? 'close' : 'keep');
    if (attempt.kind === 'failed' || !isLeftOpen) return attempt;
    return { kind: 'failed', failure: judgeFailure(transactionLeftOpen(), 'querying') };
  }

  /** Ends every connection as if the server had, also those that are being opened: for a server that says nothing any more. */
  hangUp(): void {
    const { _clients } = this.#pool as unknown as { readonly _clients: readonly DriverClient[] };
    for (const { connection } of _clients) connection.stream.destroy();
  }

  /** As `hangUp`, for good: also whoever still waits for a connection gets none. */
  abandon(): void {
    this.#isAbandoned = true;
    this.hangUp();
  }

  /**
   * Resolves when the statements under way are answered and the connections are closed. After `drainTimeoutMs` those that are still
   * in use are closed as well.
   */
  retire(drainTimeoutMs?: number): Promise<void> {
    if (!this.#isRetired) {
      this.#isRetired = true;
      if (drainTimeoutMs !== undefined) void this.#closeAfter(drainTimeoutMs);
      this.#endWhenDone();
    }
    return this.#ended.promise;
  }

  async #closeAfter(drainTimeoutMs: number): Promise<void> {
    const { clock, log } = this.#deps;
    const drained = new AbortController();
    void this.#ended.promise.finally(() => drained.abort());
    const isOverdue = await clock.sleep(drainTimeoutMs, drained.signal).then(
      () => true,
      () => false,
    );
    if (!isOverdue) return;
    this.#isOverdue = true;
    log.warn({ instance: this.#options.name, connections: this.#open.size }, 'closing what is still in use');
    for (const client of this.#open) destroyConnection(client);
  }

  #keep(socket: Duplex): Duplex {
    // For those who wait the driver's pool goes on opening connections. Once it is on its way, this one can be ended as well.
    if (this.#isAbandoned) queueMicrotask(() => socket.destroy());
    return socket;
  }

  #listen({ log, onEvent, onLost }: InstancePoolDeps): void {
    const instance = this.#options.name;
    // A server that goes away takes its idle connections with it; the pool drops them and says so here.
    // Without a listener that would end the process.
    this.#pool.on('error', (error, client) => {
      log.debug({ instance, reason: messageOf(error) }, 'idle connection lost');
      // The server has closed what was idle for too long, so that nothing is said of a restart.
      if (!this.#isRetired && codeOf(error) !== idleSessionTimeout) onLost(instance);
      onEvent('error', error, client);
    });
    // The pool listens on idle connections only. On one in use the error also rejects the query.
    this.#pool.on('connect', (client: PoolClient) => {
      this.#open.add(client);
      for (const event of lossEvents) client.on(event, () => this.#lost.add(client));
      if (this.#isOverdue) destroyConnection(client);
      onEvent('connect', client);
    });
    this.#pool.on('acquire', (client: PoolClient) => onEvent('acquire', client));
    this.#pool.on('release', (error, client) => onEvent('release', error, client));
    this.#pool.on('remove', (client: PoolClient) => {
      this.#open.delete(client);
      onEvent('remove', client);
    });
  }

  /** Those who wait behind connections that are all still being tried wait for the server, not for each other. */
  #judgeConnecting(error: unknown): Failure {
    const failure = judgeFailure(error, 'connecting');
    return failure.kind === 'busy' && this.#open.size === 0 ? { ...failure, kind: 'connection' } : failure;
  }

  #returned(): void {
    this.#underWay -= 1;
    this.#endWhenDone();
  }

  #endWhenDone(): void {
    if (this.#isRetired && this.#underWay === 0) this.#ended.resolve(this.#pool.end());
  }
}

const idleSessionTimeout = '57P05';

function transactionLeftOpen(): RouterError {
  return new RouterError(
    'RPG_TRANSACTION_LEFT_OPEN',
    'the statement left a transaction open, which was rolled back: each statement gets a connection of its own, so send one statement that does it all, use `transaction` or take a client',
  );
}
