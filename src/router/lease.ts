// A connection that is taken out of its pool, for one statement or for a session.
//
// Invariant: it goes back only when the next user finds it as new: outside of any transaction, with nothing of a session left
// behind, no statement under way. Else it is closed. An error of SQL keeps it.

import { once } from 'node:events';
import type { PoolClient, QueryConfig } from 'pg';
import type { Clock } from '../lib/clock.ts';
import { sendCancelRequest } from './cancelRequest.ts';
import { codeOf, type Failure, judgeFailure, messageOf } from './judgeFailure.ts';
import {
  type Answer,
  type Callback,
  isSubmittable,
  nameWithoutText,
  type Statement,
  withoutName,
} from './statement.ts';

export type Attempt =
  | { readonly kind: 'answered'; readonly result: Answer }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** What the driver knows and its types do not tell. */
interface DriverState {
  /** False from the moment a statement is sent until the server is ready for the next one. */
  readonly readyForQuery: boolean;
  /** The names of the statements that the connection has, as keys. */
  readonly connection: {
    readonly parsedStatements: Readonly<Record<string, string>>;
    readonly stream: { destroy(): void };
    prependListener(event: string, listener: () => void): void;
    off(event: string, listener: () => void): void;
  };
}

/** When the server has begun to show what a statement found, and when it has done everything. */
const newsEvents = ['rowDescription', 'readyForQuery'] as const;
/** Without a farewell, so that what runs on it fails at once. */
export function destroyConnection(client: PoolClient): void {
  (client as unknown as DriverState).connection.stream.destroy();
}

/** The pool that a lease is of. */
export interface LeaseOwner {
  readonly clock: Clock;
  /** Whether a timeout of the driver is what the caller set for his statement, rather than a sign of a dead server. */
  readonly isDeadline: boolean;
  /** Of all connections to the instance. */
  readonly prepared: PreparedNames;
  /** Whether the driver has said that the connection is gone, now or between two statements: it never says so again. */
  readonly hasLost: (client: PoolClient) => boolean;
  /** Called once for each lease, when everything that was begun is over. */
  readonly onReturned: () => void;
}

/** A pooler that keeps no prepared statements gives a connection another server, which does not know the names of the first. */
export interface PreparedNames {
  areKept: boolean;
}

// duplicate_prepared_statement, invalid_sql_statement_name
const nameStates: ReadonlySet<string> = new Set(['42P05', '26000']);

export class Lease {
  readonly client: PoolClient;
  readonly #owner: LeaseOwner;
  #isBroken = false;
  #cancelling: Promise<void> | undefined;
  #afterwards: (() => void)[] | undefined;

  constructor(client: PoolClient, owner: LeaseOwner) {
    this.client = client;
    this.#owner = owner;
  }

  /** Whether the server is in a transaction, also in one that has failed. */
  get isInTransaction(): boolean {
    return this.client.getTransactionStatus() !== 'I';
  }

  /** Whether the connection is still one. */
  get isUsable(): boolean {
    return !this.#isBroken && !this.#owner.hasLost(this.client);
  }

  /** One statement at a time. A failure is a value. */
  run(given: Statement): Promise<Attempt> {
    const statement = this.#owner.prepared.areKept ? given : withoutName(given);
    const { config, values } = statement;
    const { promise, resolve, reject } = Promise.withResolvers<Attempt>();
    const answered = (result: Answer) => resolve({ kind: 'answered', result });
    // Handed to `resolve` instead, the promise would not lead V8 back to the caller when it looks for the stack.
    const failed = (error: unknown) => void this.#afterFailure(error, statement).then(resolve, reject);
    try {
      this.#assertIsPrepared(nameWithoutText(statement));
      // The promise of the driver would cost more than all that the router does for a statement. To an object, which is the
      // caller's, some versions of the driver add the callback.
      if (typeof config === 'string') {
        this.client.query(config, values as unknown[], (error, result) =>
          error ? failed(error) : answered(result),
        );
      } else this.client.query(config as QueryConfig, values).then(answered, failed);
    } catch (error) {
      failed(error);
    }
    return promise;
  }

  async #afterFailure(error: unknown, statement: Statement): Promise<Attempt> {
    if (await this.#canGoUnnamed(error, statement)) return await this.run(statement);
    const failure = this.#judge(error, statement);
    if (failure.kind === 'timeout') this.#cancelling = sendCancelRequest(this.client, this.#owner.clock);
    if (!failure.isConnectionUsable) this.#isBroken = true;
    await this.settled();
    // As the promises of the driver do: it leads back to the caller, instead of to the socket.
    if (error instanceof Error) Error.captureStackTrace(error);
    return { kind: 'failed', failure };
  }

  /**
   * Hands a cursor, a stream or a `pg.Query` to the driver, which tells it everything, and resolves when the server is ready for the
   * next statement, or is gone. What the driver throws instead of telling it is thrown. `onNews` is called before the object tells
   * anybody what it has seen or done.
   */
  async submit(statement: Statement, callback: Callback | undefined, onNews: () => void): Promise<void> {
    const { config, values } = statement;
    const { connection } = this.client as unknown as DriverState;
    for (const event of newsEvents) connection.prependListener(event, onNews);
    try {
      this.client.query(config as string, values as unknown[], callback as never);
      await this.#nextSettled();
    } catch (error) {
      // The driver counts it as under way, and would wait for its end for ever.
      this.breakOff();
      throw error;
    } finally {
      for (const event of newsEvents) connection.off(event, onNews);
    }
  }

  /** The driver tells an error before it knows in which state the server is afterwards. */
  async settled(): Promise<void> {
    if ((this.client as unknown as DriverState).readyForQuery === false) await this.#nextSettled();
  }

  /** `drain` is when the server is ready and nothing waits; `end` and `error` are when it never will be. */
  async #nextSettled(): Promise<void> {
    if (!this.isUsable) return;
    const gone = new AbortController();
    const events = ['drain', 'end'].map((event) => once(this.client, event, { signal: gone.signal }));
    try {
      await Promise.race(events);
    } catch {
      this.#isBroken = true;
    } finally {
      gone.abort();
    }
  }

  /** Closes the connection under whatever is under way; it is released all the same. */
  breakOff(): void {
    this.#isBroken = true;
    destroyConnection(this.client);
  }

  /** Runs when the connection goes back. */
  afterwards(action: () => void): void {
    this.#afterwards ??= [];
    this.#afterwards.push(action);
  }

  /** `close` when something of a session is left in it. */
  release(how: 'keep' | 'close' | Error): void {
    if (this.#cancelling === undefined) this.#giveBack(how);
    // A pooler forgets, with the connection, which statement of the server it was to stop.
    else void this.#cancelling.finally(() => this.#giveBack(how));
  }

  #giveBack(how: 'keep' | 'close' | Error): void {
    const isClean = how === 'keep' && this.isUsable && !this.isInTransaction;
    this.client.release(how instanceof Error ? how : isClean ? undefined : true);
    for (const action of this.#afterwards ?? []) action();
    this.#owner.onReturned();
  }

  /** Else the driver would prepare an empty statement of that name, and the write would be lost without an error. */
  #assertIsPrepared(name: string | undefined): void {
    if (name === undefined || name === '') return;
    const { parsedStatements } = (this.client as unknown as DriverState).connection;
    if (Object.hasOwn(parsedStatements, name)) return;
    // As the server says it.
    const message = `prepared statement "${name}" does not exist on this connection, give its text with the name`;
    throw Object.assign(new Error(message), { code: '26000' });
  }

  /** The server refused the name before anything ran. From now on none is used, so that transactions, which this ends, come through. */
  async #canGoUnnamed(error: unknown, statement: Statement): Promise<boolean> {
    const unnamed = withoutName(statement);
    if (unnamed === statement || !nameStates.has(codeOf(error) ?? '')) return false;
    const { name = '' } = statement.config as { name?: string };
    if (!messageOf(error).includes(name)) return false;
    this.#owner.prepared.areKept = false;
    await this.settled();
    return this.isUsable && !this.isInTransaction;
  }

  #judge(error: unknown, { config }: Statement): Failure {
    const failure = judgeFailure(error, 'querying');
    if (failure.kind !== 'timeout') return failure;
    const isOwn = typeof config === 'object' && !isSubmittable(config) && 'query_timeout' in config;
    return isOwn || this.#owner.isDeadline ? failure : { ...failure, kind: 'connection' };
  }
}
