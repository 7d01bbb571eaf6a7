// What an application talks to: statements in, answers of the right instance out.
//
// Invariant: a statement that is not declared a SELECT goes to the primary of the newest document and is
// sent at most once. A read is sent again only after an instance failed to answer it. Where there are
// replicas, reads leave half of the connections to the primary to writes.

import type { QueryResult, QueryResultRow } from 'pg';
import type { EndpointsDocument, PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import { assert } from '../lib/assert.ts';
import { backgroundClock, type Clock, systemClock, systemRandom } from '../lib/clock.ts';
import {
  afterFailure,
  chooseReplica,
  describeReplicas,
  type Health,
  judgeReplica,
  type ReadFacts,
} from './chooseReplica.ts';
import { FallbackGate } from './fallbackGate.ts';
import { type Failure, messageOf } from './judgeFailure.ts';
import { PoolSet } from './poolSet.ts';
import { RouterError } from './routerError.ts';
import { type ReplicaManagerOptions, type RouterSettings, readRouterOptions } from './routerOptions.ts';
import { describeStatus, type ReplicaManagerStatus } from './routerStatus.ts';
import { type Topology, TopologySource } from './topologySource.ts';

/** Something that runs statements; where, it decides anew for each. */
export interface Database {
  /** Resolves with the driver's result. Rejects with the server's error or a `RouterError`. */
  exec<R extends QueryResultRow = QueryResultRow>(
    sql: string,
    params?: readonly unknown[],
  ): Promise<QueryResult<R>>;
}

/** Routes statements between the primary and the replicas of one topology. */
export interface ReplicaManager {
  /** By the declared type alone: `SELECT` (in any case) is a read, everything else goes to the primary. */
  routeQuery<R extends QueryResultRow = QueryResultRow>(
    type: string,
    sql: string,
    params?: readonly unknown[],
  ): Promise<QueryResult<R>>;
  /** The primary, whichever instance that is when a statement is run. */
  getWriteDatabase(): Database;
  /** The replicas in turn; the primary when none can be read from and the topology allows it. */
  getReadReplica(): Database;
  /** Whether a read would go to a replica now. */
  hasReadReplicas(): boolean;
  /** What is known and what follows from it, for people and health checks. */
  status(): ReplicaManagerStatus;
  /** Takes no more statements, waits for those under way and closes every connection. */
  end(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The outside world, handed in so that tests can drive it. */
export interface RouterDeps {
  /** For waits that a caller waits for. */
  readonly clock: Clock;
  /** For the loop that follows the files; must not keep the process alive. */
  readonly backgroundClock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
}

const systemDeps: RouterDeps = { clock: systemClock, backgroundClock, random: systemRandom };

/** Starts following the topology at once. What is mounted already is known when this returns. */
export function createReplicaManager(
  options: ReplicaManagerOptions = {},
  deps: RouterDeps = systemDeps,
): ReplicaManager {
  return new RoutingReplicaManager(readRouterOptions(options), deps);
}

class RoutingReplicaManager implements ReplicaManager {
  readonly #settings: RouterSettings;
  readonly #deps: RouterDeps;
  readonly #source: TopologySource;
  readonly #pools: PoolSet;
  readonly #fallback: FallbackGate;
  readonly #health = new Map<string, Health>();
  readonly #closing = new AbortController();
  #ended: Promise<void> | undefined;
  #turn = 0;

  constructor(settings: RouterSettings, deps: RouterDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#pools = new PoolSet(settings, settings.log);
    this.#fallback = new FallbackGate(settings.poolSize);
    this.#source = new TopologySource(settings, (topology) => this.#follow(topology));
    void this.#source.follow(deps.backgroundClock, this.#closing.signal);
  }

  routeQuery<R extends QueryResultRow>(
    type: string,
    sql: string,
    params: readonly unknown[] = [],
  ): Promise<QueryResult<R>> {
    const isRead = type.trim().toUpperCase() === 'SELECT';
    return isRead ? this.#read<R>(sql, params) : this.#write<R>(sql, params);
  }

  getWriteDatabase(): Database {
    return { exec: (sql, params = []) => this.#write(sql, params) };
  }

  getReadReplica(): Database {
    return { exec: (sql, params = []) => this.#read(sql, params) };
  }

  hasReadReplicas(): boolean {
    const nowMs = this.#deps.clock.now();
    const replicas = this.#source.topology?.document.replicas ?? [];
    return replicas.some((replica) => judgeReplica(replica, this.#health, nowMs).kind === 'serving');
  }

  status(): ReplicaManagerStatus {
    return describeStatus({
      document: this.#source.topology?.document,
      problems: this.#source.problems,
      health: this.#health,
      nowMs: this.#deps.clock.now(),
      countsOf: (endpoint) => this.#pools.countsOf(endpoint),
    });
  }

  end(): Promise<void> {
    this.#closing.abort(new RouterError('RPG_CLOSED', 'the replica manager has been ended'));
    this.#ended ??= this.#pools.end();
    return this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }

  async #write<R extends QueryResultRow>(sql: string, params: readonly unknown[]): Promise<QueryResult<R>> {
    await this.#ready();
    const { document } = this.#current();
    const { primary } = document;
    if (primary === null) {
      const { name } = document.topology;
      throw new RouterError('RPG_NO_PRIMARY', `${name} has no primary in epoch ${document.epoch}, try again`);
    }
    const attempt = await this.#pools.of(primary).attempt<R>(sql, params);
    if (attempt.kind === 'answered') return attempt.result;
    throw errorOf(primary, attempt.failure);
  }

  /** Bounded by the number of instances: each of them is asked at most once. */
  async #read<R extends QueryResultRow>(sql: string, params: readonly unknown[]): Promise<QueryResult<R>> {
    const turn = this.#turn;
    this.#turn = (turn + 1) % Number.MAX_SAFE_INTEGER;
    const tried = new Set<string>();
    let cause: unknown;
    let busy: RouterError | undefined;
    let isOnFallback = false;
    await this.#ready();
    try {
      for (;;) {
        const { document } = this.#current();
        const facts = { ...this.#readFacts(document), tried, turn, isOverflow: busy !== undefined };
        const choice = chooseReplica(facts);
        if (choice.kind === 'none') throw busy ?? noReplica(document.topology.name, choice.reason, cause);
        // With nothing but a primary there is nothing to fall back from.
        const needsSlot = choice.kind === 'primary' && document.replicas.length > 0;
        if (needsSlot && !isOnFallback) {
          await this.#waitForFallback(facts, cause);
          isOnFallback = true;
          // While it waited, a replica may have come back, or the primary may have changed.
          continue;
        }
        if (!needsSlot && isOnFallback) {
          this.#fallback.leave();
          isOnFallback = false;
        }
        const { endpoint } = choice;
        tried.add(endpoint.name);
        this.#claim(endpoint.name, facts.nowMs);
        const attempt = await this.#pools.of(endpoint).attempt<R>(sql, params);
        if (attempt.kind === 'answered') {
          this.#health.delete(endpoint.name);
          return attempt.result;
        }
        cause = attempt.failure.error;
        this.#noteFailure(endpoint, attempt.failure, facts.nowMs);
        if (attempt.failure.kind === 'busy') busy = poolBusy(endpoint, cause);
        if (attempt.failure.kind === 'statement' || attempt.failure.kind === 'untrusted') {
          throw errorOf(endpoint, attempt.failure);
        }
      }
    } finally {
      if (isOnFallback) this.#fallback.leave();
    }
  }

  #readFacts(document: EndpointsDocument) {
    return { document, health: this.#health, nowMs: this.#deps.clock.now() };
  }

  /** Resolves when the read may be on the primary. @throws RouterError `RPG_FALLBACK_BUSY`, `RPG_CLOSED` */
  async #waitForFallback(facts: ReadFacts, cause: unknown): Promise<void> {
    const { clock } = this.#deps;
    const maxWaitMs = this.#settings.connectTimeoutMs;
    const hasSlot = await this.#fallback.enter(maxWaitMs, clock, this.#closing.signal);
    if (!hasSlot) throw fallbackBusy(facts, cause);
  }

  async #ready(): Promise<void> {
    this.#closing.signal.throwIfAborted();
    await this.#source.ready(this.#deps.clock, this.#closing.signal);
  }

  /** The newest topology. Without an `await` between this and `#pools.of`, so that the pool is there. */
  #current(): Topology {
    this.#closing.signal.throwIfAborted();
    const { topology } = this.#source;
    assert(topology !== undefined, 'a statement is routed only once there is a topology');
    return topology;
  }

  #follow({ document, credentials }: Topology): void {
    this.#pools.follow(document, credentials);
    const names = new Set(document.replicas.map(({ name }) => name).concat(document.primary?.name ?? []));
    for (const name of this.#health.keys()) if (!names.has(name)) this.#health.delete(name);
    const { epoch, generation, primary } = document;
    this.#settings.log.info({ epoch, generation, primary: primary?.name ?? null }, 'following endpoints');
  }

  /** While one read finds out whether a rested instance is back, the others stay away from it. */
  #claim(name: string, nowMs: number): void {
    const health = this.#health.get(name);
    if (health === undefined) return;
    this.#health.set(name, { ...health, restsUntilMs: nowMs + this.#settings.connectTimeoutMs });
  }

  #noteFailure(endpoint: PrimaryEndpoint, failure: Failure, startedAtMs: number): void {
    const { name } = endpoint;
    if (failure.kind !== 'connection') {
      // It answered, if not as hoped, so its connection is fine.
      if (failure.phase === 'querying') this.#health.delete(name);
      return;
    }
    const before = this.#health.get(name);
    // Of many reads that one outage hits at once, the first counts; else the rest would be long at once.
    if (before !== undefined && startedAtMs <= before.failedAtMs) return;
    const reason = messageOf(failure.error);
    this.#health.set(name, afterFailure(before, reason, this.#deps.clock.now(), this.#deps.random()));
    this.#settings.log.warn({ instance: name, reason }, 'instance left out of reads for a while');
  }
}

/** What the caller is told when a statement has failed for good. */
function errorOf(endpoint: PrimaryEndpoint, { kind, phase, error }: Failure): unknown {
  const { name } = endpoint;
  const cause = { cause: error };
  switch (kind) {
    case 'busy':
      return poolBusy(endpoint, error);
    case 'connection':
      return phase === 'connecting'
        ? new RouterError('RPG_PRIMARY_UNREACHABLE', `cannot connect to ${name}: ${messageOf(error)}`, cause)
        : new RouterError(
            'RPG_OUTCOME_UNKNOWN',
            `lost ${name} during the statement, find out whether it ran: ${messageOf(error)}`,
            cause,
          );
    case 'untrusted':
      return new RouterError(
        'RPG_SERVER_UNTRUSTED',
        `the certificate of ${name} is not trusted, check ca.crt of the credentials: ${messageOf(error)}`,
        cause,
      );
    case 'conflict':
    case 'statement':
      return error;
  }
}

function poolBusy({ name }: PrimaryEndpoint, cause: unknown): RouterError {
  return new RouterError('RPG_POOL_BUSY', `no connection to ${name} became free in time, raise poolSize`, {
    cause,
  });
}

function fallbackBusy(facts: ReadFacts, cause: unknown): RouterError {
  const { name } = facts.document.topology;
  return new RouterError(
    'RPG_FALLBACK_BUSY',
    `no replica of ${name} serves reads (${describeReplicas(facts)}) and its primary has as many as it may take, try again later`,
    { cause },
  );
}

function noReplica(topology: string, reason: string, cause: unknown): RouterError {
  return new RouterError('RPG_NO_REPLICA', `no instance of ${topology} answers reads: ${reason}`, { cause });
}
