// What `pool.connect()` gives: a client of `pg`, whose statements go where they belong.
//
// Invariant: what depends on what the client has done before runs on the connection where it was done. A transaction stays on its
// connection until its end, a session that holds state until the release, and the connection to the primary is always the same one.
// Only reads outside of both may go elsewhere. A connection that is lost in a transaction or a session is never replaced silently.

import { EventEmitter } from 'node:events';
import {
  escapeIdentifier,
  escapeLiteral,
  type PoolClient,
  type QueryConfig,
  type QueryResult,
  type QueryResultRow,
  type Submittable,
  TypeOverrides,
} from 'pg';
import { ClientSession } from './clientSession.ts';
import { deliver } from './deliver.ts';
import type { Call, Router } from './router.ts';
import {
  type Callback,
  isSubmittable,
  nameWithoutText,
  plainConfig,
  type QueryArguments,
  readQueryArguments,
  type Statement,
  statementOf,
} from './statement.ts';

const forwarded = ['notification', 'notice', 'error', 'end'] as const;

/** More names than an application prepares. The oldest one goes, and runs only where it is prepared. */
const maxNamedTexts = 1_000;

export class RoutedClient extends EventEmitter {
  readonly escapeIdentifier = escapeIdentifier;
  readonly escapeLiteral = escapeLiteral;
  readonly #router: Router;
  readonly #session: ClientSession;
  readonly #onReleased: () => void;
  readonly #forward = new Map<string, (...args: unknown[]) => void>();
  readonly #textOfName = new Map<string, string>();
  #types: TypeOverrides | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #underWay = 0;
  #isReleased = false;
  /** Cursors, streams and other objects that wait or are under way. */
  #objects = 0;

  constructor(router: Router, onReleased: () => void) {
    super();
    this.#router = router;
    this.#onReleased = onReleased;
    for (const event of forwarded) {
      this.#forward.set(event, (...args) => {
        // Without a listener an error would end the process; the next statement tells it.
        if (event !== 'error' || this.listenerCount('error') > 0) this.emit(event, ...args);
      });
    }
    this.#session = new ClientSession(router, {
      onLeased: (client) => this.#follow(client, 'on'),
      onReleasing: (client) => this.#follow(client, 'off'),
    });
  }

  /** Takes the connection to the primary at once. @throws RouterError */
  async takePrimary(): Promise<void> {
    await this.#session.takePrimary();
  }

  /** In all call forms of `pg`. */
  query(config: unknown, values?: unknown, callback?: unknown): unknown {
    if (config === null || config === undefined) {
      throw new TypeError('Client was passed a null or undefined query');
    }
    const given = readQueryArguments(config, values, callback);
    if (isSubmittable(config)) {
      this.#submit(config, given);
      return config;
    }
    const answer = this.#enqueue(this.#typed(this.#withText(given.statement)), (call) =>
      this.#session.run(call),
    );
    return deliver(answer, given.callback);
  }

  /** As the databases of a replica manager. */
  async exec<R extends QueryResultRow = QueryResultRow>(
    sql: string,
    params: readonly unknown[] = [],
  ): Promise<QueryResult<R>> {
    return this.#enqueue(this.#typed(statementOf(sql, params)), (call) => this.#session.run(call));
  }

  /**
   * Gives the connections back, after the statements that are under way. One that has an open transaction or holds something of
   * this session is closed. With an error or `true` all of them are closed, and at once: whoever gives up on a statement or a cursor
   * says so by that. A cursor or a stream that nobody has closed keeps its connection until `drainTimeoutMs` is over.
   */
  release(error?: Error | boolean): void {
    if (this.#isReleased) {
      throw new Error('Release called on client which has already been released to the pool.');
    }
    this.#isReleased = true;
    const giveBack = () => {
      this.#session.release(error);
      this.#onReleased();
    };
    if (this.#underWay === 0) {
      giveBack();
      return;
    }
    if (error) this.#session.breakOff();
    else if (this.#objects > 0) void this.#breakOffLate();
    void this.#queue.then(giveBack);
  }

  /** Nobody can read on from an object of a client that is released, so that a cursor which is open then stays so. */
  async #breakOffLate(): Promise<void> {
    const { deps, settings } = this.#router;
    const answered = new AbortController();
    void this.#queue.finally(() => answered.abort());
    try {
      await deps.backgroundClock.sleep(settings.drainTimeoutMs, answered.signal);
    } catch {
      return;
    }
    settings.log.warn(
      {},
      'closing a connection: its client was released under a cursor that nobody has closed',
    );
    this.#session.breakOff();
  }

  setTypeParser(...args: Parameters<TypeOverrides['setTypeParser']>): void {
    this.#types ??= new TypeOverrides(this.#router.settings.driver?.types);
    this.#types.setTypeParser(...args);
  }

  getTypeParser(...args: Parameters<TypeOverrides['getTypeParser']>): unknown {
    return (this.#types ?? new TypeOverrides(this.#router.settings.driver?.types)).getTypeParser(...args);
  }

  getTransactionStatus(): string | null {
    return this.#session.client?.getTransactionStatus() ?? 'I';
  }

  /** Of the connection that the client holds now; null when it holds none. */
  get processID(): number | null {
    const client = this.#session.client as { processID?: number } | undefined;
    return client?.processID ?? null;
  }

  get connection(): unknown {
    return this.#session.client?.connection;
  }

  get host(): string | undefined {
    return this.#session.client?.host;
  }

  get port(): number | undefined {
    return this.#session.client?.port;
  }

  get database(): string | undefined {
    return this.#session.client?.database ?? this.#router.settings.driver?.database;
  }

  get user(): string | undefined {
    return this.#session.client?.user ?? this.#router.settings.driver?.user;
  }

  connect(callback?: (error: Error) => void): Promise<never> | undefined {
    const error = new Error('Client has already been connected. You cannot reuse a client.');
    if (callback === undefined) return Promise.reject(error);
    process.nextTick(callback, error);
    return undefined;
  }

  /** Closes the connections that the client holds. It is released all the same. */
  end(callback?: () => void): Promise<void> | undefined {
    const ended = this.#inTurn(async () => this.#session.close());
    if (callback === undefined) return ended;
    void ended.then(() => process.nextTick(callback));
    return undefined;
  }

  ref(): void {
    (this.#session.client as Partial<Referable> | undefined)?.ref?.();
  }

  unref(): void {
    (this.#session.client as Partial<Referable> | undefined)?.unref?.();
  }

  /** What fails before the driver has it is told as the driver does: to the callback, else as the object wants it. */
  #submit(config: TalkingQuery, { statement, callback }: QueryArguments): void {
    // Before it is queued, so that it hears also of what is never sent.
    if (callback !== undefined) config.callback ??= callback;
    this.#objects += 1;
    this.#enqueue(statement, (call) => this.#session.submit(call, callback))
      .catch((error) => process.nextTick(() => config.handleError?.(error, this.#session.client?.connection)))
      .finally(() => {
        this.#objects -= 1;
      });
  }

  #enqueue<T>(statement: Statement, run: (call: Call) => Promise<T>): Promise<T> {
    if (this.#isReleased) return Promise.reject(new Error('Client was closed and is not queryable'));
    let call: Call;
    try {
      call = this.#router.begin(statement);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    return this.#inTurn(() => run(call));
  }

  /** One after the other, in the order of the calls, as the driver does on one connection. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    this.#underWay += 1;
    const answer = (this.#underWay === 1 ? run() : this.#queue.then(run)).finally(() => {
      this.#underWay -= 1;
    });
    this.#queue = answer.catch(() => {});
    return answer;
  }

  /** A name alone means what it meant before on this client, on whichever connection it runs. */
  #withText(statement: Statement): Statement {
    const { text, config } = statement;
    const named = nameWithoutText(statement);
    if (named !== undefined) {
      const known = this.#textOfName.get(named);
      if (known === undefined) return statement;
      return { ...statement, text: known, config: { ...plainConfig(config as QueryConfig), text: known } };
    }
    if (text === undefined || typeof config !== 'object' || isSubmittable(config)) return statement;
    if (typeof config.name !== 'string') return statement;
    this.#textOfName.set(config.name, text);
    const [oldest] = this.#textOfName.keys();
    if (this.#textOfName.size > maxNamedTexts && oldest !== undefined) this.#textOfName.delete(oldest);
    return statement;
  }

  /** The parsers of this client, which `pg` keeps with the connection. */
  #typed(statement: Statement): Statement {
    if (this.#types === undefined) return statement;
    const config = statement.config as string | QueryConfig;
    if (typeof config === 'string') return { ...statement, config: { text: config, types: this.#types } };
    if (config.types !== undefined) return statement;
    return { ...statement, config: { ...plainConfig(config), types: this.#types } };
  }

  #follow(client: PoolClient, how: 'on' | 'off'): void {
    for (const [event, listener] of this.#forward) (client as EventEmitter)[how](event, listener);
  }
}

/** What the driver has and its types do not tell. */
type TalkingQuery = Submittable & {
  callback?: Callback;
  readonly handleError?: (error: unknown, connection: unknown) => void;
};
type Referable = Readonly<Record<'ref' | 'unref', () => void>>;
