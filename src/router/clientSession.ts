// The connections that one client holds, and where its next statement runs. See `RoutedClient` for the invariant.

import type { PoolClient } from 'pg';
import type { PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import { isSurelyRead } from './classify/verdict.ts';
import { errorInTransaction, failoverInProgress, needsPrimary, sessionLost } from './failures.ts';
import { codeOf, type Failure } from './judgeFailure.ts';
import type { Attempt, Lease } from './lease.ts';
import type { Call, OwnConnection, Router } from './router.ts';
import { leavesUnknownState, mayCommit, meansNothingOnReplica } from './sessionRules.ts';
import type { Answer, Callback, Statement } from './statement.ts';
import { WriteRetry } from './writeRetry.ts';

interface Held {
  readonly endpoint: PrimaryEndpoint;
  readonly lease: Lease;
  readonly role: 'primary' | 'replica';
  /** Whether something of the session is left in it, so that nobody else may have it and nothing else will do. */
  hasState: boolean;
  /** Code whose text we cannot see has run on it: it may have set what the next statement goes by. Others may have it, as with `pg`. */
  mayHaveState: boolean;
}

/** Of a transaction that was begun READ ONLY. */
interface Reader extends Held {
  readonly call: Call;
  readonly startedAtMs: number;
}

export interface SessionListener {
  readonly onLeased: (client: PoolClient) => void;
  readonly onReleasing: (client: PoolClient) => void;
}

export class ClientSession {
  readonly #router: Router;
  readonly #listener: SessionListener;
  #primary: Held | undefined;
  /** For a transaction that was begun READ ONLY. */
  #reader: Reader | undefined;
  /** For an object that reads beside what the client holds. */
  #lent: Lease | undefined;
  #isBroken = false;

  constructor(router: Router, listener: SessionListener) {
    this.#router = router;
    this.#listener = listener;
  }

  /** The driver's client of the connection that what follows depends on; else that to the primary. */
  get client(): PoolClient | undefined {
    return (this.#reader ?? this.#primary)?.lease.client;
  }

  /** For the statement, if there is one yet. */
  async takePrimary(statement?: Statement): Promise<Held> {
    const known = this.#primary;
    if (known !== undefined && isPinned(known)) return known;
    // What is begun now would be cut off in its middle.
    if (this.#router.hold.isOn) await this.#router.passHold(statement);
    const held = this.#primary;
    if (held !== undefined && (isPinned(held) || isSame(held.endpoint, this.#router.document?.primary)))
      return held;
    // There has been a failover, and nothing of this client is on the old primary.
    if (held !== undefined) this.#letGo(held, 'keep');
    const { endpoint, lease } = await this.#router.leasePrimary(statement);
    this.#assertIsWhole(lease);
    this.#primary = { endpoint, lease, role: 'primary', hasState: false, mayHaveState: false };
    this.#listener.onLeased(lease.client);
    return this.#primary;
  }

  async run(call: Call): Promise<Answer> {
    const pinned = this.#pinned();
    if (pinned !== undefined) return this.#runOn(pinned, call);
    if (this.#needsOwnPrimary(call)) return this.#runOnPrimary(call);
    return call.verdict.pins === 'transaction'
      ? this.#beginRead(call)
      : this.#router.run(call, this.#ownConnection());
  }

  /** For what talks to the connection itself. Resolves when it is over. */
  async submit(call: Call, callback: Callback | undefined): Promise<void> {
    const pinned = this.#pinned();
    // A connection for one object is given back after it, and with it the transaction that it would begin.
    const isOwn = this.#needsOwnPrimary(call) || call.verdict.pins === 'transaction';
    const held = pinned ?? (isOwn ? await this.takePrimary(call.statement) : undefined);
    if (held === undefined) {
      const { reader } = await this.#openReader(call, async () => nothing);
      await this.#lend(reader, call, callback);
      return;
    }
    this.#before(held, call);
    await held.lease.submit(call.statement, callback, () => this.#noteNews(held, call));
    this.#afterwards(held, call);
    if (!held.lease.isUsable) this.#isBroken = true;
  }

  async #lend(reader: Reader, { statement }: Call, callback: Callback | undefined): Promise<void> {
    const { lease } = reader;
    this.#assertIsWhole(lease);
    this.#lent = lease;
    try {
      await lease.submit(statement, callback, () => this.#noteRead(reader));
    } finally {
      this.#lent = undefined;
      lease.release('keep');
    }
  }

  /** Ends what is under way, which may be a cursor that would wait for ever. Nothing begins after it. */
  breakOff(): void {
    this.#isBroken = true;
    for (const held of [this.#reader, this.#primary]) {
      if (held === undefined) continue;
      // The driver would tell the loss of a connection that its user has given up.
      this.#listener.onReleasing(held.lease.client);
      held.lease.breakOff();
    }
    this.#lent?.breakOff();
  }

  release(error: Error | boolean | undefined): void {
    const how = error instanceof Error ? error : error ? 'close' : 'keep';
    for (const held of [this.#reader, this.#primary]) if (held !== undefined) this.#letGo(held, how);
  }

  close(): void {
    this.release(true);
    this.#isBroken = true;
  }

  /** @throws as the driver does, when the connection that everything depends on is gone */
  #pinned(): Held | undefined {
    this.#assertIsWhole();
    if (this.#reader !== undefined) return this.#reader;
    const held = this.#primary;
    if (held === undefined || !isPinned(held)) return undefined;
    const primary = this.#router.document?.primary ?? null;
    if (primary === null || isSame(held.endpoint, primary)) return held;
    // What it writes there would be lost, and what it reads there is old.
    const error = sessionLost(held.endpoint, held.lease.isInTransaction);
    this.close();
    throw error;
  }

  /** A connection that came too late is given back unused. @throws as the driver does */
  #assertIsWhole(late?: Lease): void {
    if (!this.#isBroken) return;
    late?.release('keep');
    throw new Error('Client has encountered a connection error and is not queryable');
  }

  #needsOwnPrimary({ route }: Call): boolean {
    return route === 'primary' || this.#isAlone();
  }

  /** What this client holds is used before another connection is taken: all of them may be held by clients that wait like it. */
  #ownConnection(): OwnConnection | undefined {
    const held = this.#primary;
    if (held === undefined || !held.lease.isUsable) return undefined;
    return {
      leadsTo: (endpoint) => held === this.#primary && held.lease.isUsable && isSame(held.endpoint, endpoint),
      run: (statement) => held.lease.run(statement),
    };
  }

  /** @throws RouterError `RPG_NEEDS_PRIMARY` */
  #before(held: Held, { statement, verdict }: Call): void {
    const isOnReplica = held === this.#reader && held.role === 'replica';
    if (isOnReplica && (verdict.pins === 'session' || meansNothingOnReplica.has(verdict.rule))) {
      throw needsPrimary(held.endpoint.name, statement.text ?? '', verdict);
    }
    held.hasState ||= verdict.pins === 'session';
    if (held === this.#primary) held.mayHaveState ||= leavesUnknownState.has(verdict.rule);
  }

  /** With a primary only, a client is one connection, as with `pg`. */
  #isAlone(): boolean {
    return this.#primary !== undefined && this.#router.document?.replicas.length === 0;
  }

  async #beginRead(call: Call): Promise<Answer> {
    const { reader, result } = await this.#openReader(call, (lease) => lease.run(call.statement));
    // A text with several statements may have ended the transaction already.
    if (!reader.lease.isInTransaction) {
      reader.lease.release('keep');
      return result;
    }
    this.#reader = reader;
    this.#listener.onLeased(reader.lease.client);
    return result;
  }

  async #openReader(
    call: Call,
    first: (lease: Lease) => Promise<Attempt>,
  ): Promise<{ readonly reader: Reader; readonly result: Answer }> {
    const startedAtMs = this.#router.deps.clock.now();
    const { endpoint, lease, result } = await this.#router.leaseForReads(call, first);
    const role = endpoint.name === this.#router.document?.primary?.name ? 'primary' : 'replica';
    const state = { hasState: false, mayHaveState: false };
    return { reader: { endpoint, lease, role, ...state, call, startedAtMs }, result };
  }

  /** The first of what may become a transaction or a session: nothing depends on its connection yet. */
  async #runOnPrimary(call: Call): Promise<Answer> {
    for (let retry: WriteRetry | undefined; ; ) {
      const held = await this.takePrimary(call.statement);
      if (isPinned(held)) return this.#runOn(held, call);
      this.#router.prober?.wake('a write is under way');
      const attempt = await this.#attemptOn(held, call);
      if (attempt.kind === 'answered') return attempt.result;
      const { failure } = attempt;
      const { endpoint } = held;
      const error = await this.#router.writeError(call, endpoint, failure);
      retry ??= new WriteRetry(this.#router, call.statement);
      if (!(await retry.mayTryAgain({ endpoint, failure, error }))) throw error;
    }
  }

  async #runOn(held: Held, call: Call): Promise<Answer> {
    const wasInTransaction = held.lease.isInTransaction;
    const attempt = await this.#attemptOn(held, call);
    if (attempt.kind === 'answered') return attempt.result;
    throw wasInTransaction || held === this.#reader
      ? await this.#transactionError(held, call, attempt.failure)
      : await this.#router.writeError(call, held.endpoint, attempt.failure);
  }

  async #attemptOn(held: Held, call: Call): Promise<Attempt> {
    const wasPinned = isPinned(held);
    this.#before(held, call);
    const attempt = await held.lease.run(call.statement);
    if (attempt.kind === 'answered') this.#afterwards(held, call);
    else if (!held.lease.isUsable) {
      if (wasPinned) this.#isBroken = true;
      else this.#letGo(held, 'close');
    }
    return attempt;
  }

  #afterwards(held: Held, call: Call): void {
    const { isInTransaction } = held.lease;
    if (held !== this.#reader) {
      // A write counts with its COMMIT; what a read has shown is known now.
      if (!isInTransaction || isSurelyRead(call.verdict)) this.#router.notePrimary(call);
      return;
    }
    if (isInTransaction || held.hasState) this.#noteRead(this.#reader);
    else this.#letGo(held, 'keep');
  }

  /** Before anybody hears of it: an object tells what it has seen and done by itself. */
  #noteNews(held: Held, call: Call): void {
    if (this.#reader !== undefined && held === this.#reader) this.#noteRead(this.#reader);
    else this.#router.notePrimary(call);
  }

  async #transactionError(held: Held, call: Call, failure: Failure): Promise<unknown> {
    const mayEnd = held.role === 'primary' && mayCommit.test(call.statement.text ?? 'commit');
    if (failure.kind === 'connection' || failure.kind === 'timeout') {
      this.#router.noteConnectionLost(held.endpoint.name);
    }
    if (mayEnd) this.#router.noteWrite(call);
    const isRefusal = held !== this.#reader && codeOf(failure.error) === '25006';
    if (isRefusal && (await this.#router.hasBeenDemoted(held.endpoint))) {
      return failoverInProgress(held.endpoint, failure.error);
    }
    return errorInTransaction(held.endpoint.name, failure, mayEnd);
  }

  /** What follows in its scope must not see less than the transaction did. */
  #noteRead({ call: { request }, endpoint, role, startedAtMs }: Reader): void {
    const { planner } = this.#router;
    if (role === 'primary') planner.readOnPrimary(request);
    else planner.readOnReplica(request, endpoint.name, startedAtMs);
  }

  #letGo(held: Held, how: 'keep' | 'close' | Error): void {
    if (this.#reader !== undefined && held === this.#reader) {
      this.#noteRead(this.#reader);
      this.#reader = undefined;
    }
    if (held === this.#primary) this.#primary = undefined;
    this.#listener.onReleasing(held.lease.client);
    held.lease.release(how === 'keep' && held.hasState ? 'close' : how);
  }
}

const nothing = { kind: 'answered', result: undefined as unknown as Answer } as const;

function isPinned({ lease, hasState, mayHaveState }: Held): boolean {
  return hasState || mayHaveState || lease.isInTransaction;
}

function isSame(endpoint: PrimaryEndpoint, other: PrimaryEndpoint | null | undefined): boolean {
  return endpoint.host === other?.host && endpoint.port === other.port;
}
