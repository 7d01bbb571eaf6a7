// The core behind both faces of the library: statements in, answers of the right instance out.
//
// Invariant: only what is surely a read leaves the primary, and only a read, or what provably did not run, is sent twice. What
// may write waits while a switchover is announced. Where there are replicas, reads leave half of the connections to the primary to
// writes, unless `balancing.fallback` says otherwise.

import type { EndpointsDocument, PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import { assert } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { ReadPlanner, type Request } from './balance/readPlanner.ts';
import { afterFailure, type Health } from './chooseReplica.ts';
import { Classifier } from './classify/classifier.ts';
import { isSurelyRead, type Verdict } from './classify/verdict.ts';
import { type Counters, noCounts } from './counters.ts';
import { denied, errorOf, failoverInProgress, noPrimary } from './failures.ts';
import { isSameServer } from './findPrimary.ts';
import { hangUpOnSilence } from './hangUpOnSilence.ts';
import type { PoolListener } from './instancePool.ts';
import type { InstanceProber } from './instanceProber.ts';
import { codeOf, type Failure, messageOf } from './judgeFailure.ts';
import type { SwitchoverFacts } from './judgeSwitchover.ts';
import type { Attempt, Lease } from './lease.ts';
import { connectProbeOf, makeProber } from './makeProber.ts';
import { PoolSet } from './poolSet.ts';
import { type Opened, ReadLoop } from './readLoop.ts';
import { readRouterCatalog } from './readRouterCatalog.ts';
import { routeOf } from './routeOf.ts';
import { RouterError } from './routerError.ts';
import type { RouterSettings } from './routerOptions.ts';
import { createSources } from './sources/createSources.ts';
import type { Topology, TopologySource } from './sources/topologySource.ts';
import { StandbyQuestion } from './standbyQuestion.ts';
import { type Answer, assertRouting, type Statement } from './statement.ts';
import { TopologyView } from './topologyView.ts';
import { WriteHold } from './writeHold.ts';
import { WriteLoop } from './writeLoop.ts';

/** The outside world, handed in so that tests can drive it. */
export interface RouterDeps {
  /** For waits that a caller waits for. */
  readonly clock: Clock;
  /** For the loop that follows the files; must not keep the process alive. */
  readonly backgroundClock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
}

/** One statement on its way. Made before anything is awaited, while the scope of the caller is still around. */
export interface Call {
  readonly statement: Statement;
  readonly verdict: Verdict;
  /** Where it is sent: the verdict, or what the caller asked for where that is safe. */
  readonly route: 'primary' | 'replica';
  readonly request: Request;
}

/** A connection that the caller holds, and on which nothing is under way. */
export interface OwnConnection {
  leadsTo(endpoint: PrimaryEndpoint): boolean;
  run(statement: Statement): Promise<Attempt>;
}

export class Router {
  readonly classifier: Classifier;
  readonly planner: ReadPlanner;
  readonly counters: Counters = { ...noCounts };
  readonly pools: PoolSet;
  readonly health = new Map<string, Health>();
  readonly settings: RouterSettings;
  readonly deps: RouterDeps;
  readonly sources: readonly TopologySource[];
  readonly prober: InstanceProber | undefined;
  readonly view: TopologyView;
  readonly hold: WriteHold;
  readonly #standbyQuestion: StandbyQuestion;
  readonly #followed: Promise<void>;
  #document: EndpointsDocument | undefined;
  readonly #reads: ReadLoop;
  readonly #writes: WriteLoop;
  readonly #closing = new AbortController();
  #ended: Promise<void> | undefined;
  #lastPrimary: PrimaryEndpoint | undefined;

  constructor(settings: RouterSettings, deps: RouterDeps, onEvent: PoolListener = () => {}) {
    this.settings = settings;
    this.deps = deps;
    this.classifier = new Classifier(settings.classification);
    this.sources = createSources(settings, deps.random);
    this.prober = makeProber(settings, deps, this.sources);
    const connectProbe = connectProbeOf(settings);
    this.#standbyQuestion = new StandbyQuestion(connectProbe, this.#closing.signal);
    this.planner = new ReadPlanner(settings.reads, {
      ...deps,
      wake: (reason) => this.prober?.wake(reason),
      noteRead: () => this.prober?.noteRead(),
    });
    this.prober?.onObservation((observation) => this.planner.note(observation));
    this.prober?.onConnectionLost((instance) => this.planner.noteConnectionLost(instance));
    this.pools = new PoolSet(settings, {
      clock: deps.backgroundClock,
      log: settings.log,
      onEvent,
      onLost: (instance) => this.noteConnectionLost(instance),
    });
    if (this.prober !== undefined) hangUpOnSilence(this.prober, this, settings.log);
    this.#reads = new ReadLoop(this);
    this.#writes = new WriteLoop(this);
    const { log, firstDocumentTimeoutMs } = settings;
    const { sources, prober, closing } = this;
    this.hold = new WriteHold({ clock: deps.clock, log, prober, closing });
    const onFacts = (facts: SwitchoverFacts) => this.hold.note(facts);
    this.view = new TopologyView({ sources, prober, log, firstDocumentTimeoutMs, onFacts }, (topology) =>
      this.#follow(topology),
    );
    this.#followed = this.view.follow(deps.backgroundClock, this.#closing.signal);
    if (settings.useCatalog) void readRouterCatalog(this, connectProbe);
  }

  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get document(): EndpointsDocument | undefined {
    return this.#document;
  }

  /** @throws RouterError `RPG_STATEMENT_DENIED`, `RPG_CONFIG_INVALID` */
  begin(statement: Statement): Call {
    assertRouting(statement);
    const verdict = this.classifier.verdictOf(statement.text);
    if (verdict.route === 'denied') {
      this.counters.denied += 1;
      throw denied(statement.text, verdict);
    }
    const request = this.planner.request(statement.consistency);
    return { statement, verdict, request, route: routeOf(statement, verdict, verdict.route) };
  }

  /** One statement by itself. Never throws; hands on the promise, because an `await` of its own would cost every statement as much. */
  run(call: Call, own?: OwnConnection): Promise<Answer> {
    if (this.#document === undefined) return this.ready().then(() => this.run(call, own));
    return call.route === 'replica' ? this.#reads.run(call, own) : this.write(call, own);
  }

  /** Sends it to the primary, and again only when it provably did not run. */
  write(call: Call, own?: OwnConnection): Promise<Answer> {
    return this.#writes.run(call, own);
  }

  /** On the connection that the caller holds already if it leads there, because all others may be held by those who wait like him. */
  attempt(endpoint: PrimaryEndpoint, { statement, verdict }: Call, own?: OwnConnection): Promise<Attempt> {
    if (own?.leadsTo(endpoint) === true) return own.run(statement);
    return this.pools.of(endpoint).attempt(statement, verdict.pins === 'session');
  }

  /** A connection to the primary, for a client or a transaction; `statement` is the one that needs it. */
  async leasePrimary(statement?: Statement): Promise<Omit<Opened, 'result'>> {
    await this.ready();
    return this.#writes.lease(statement);
  }

  /** Resolves when no switchover keeps writes waiting any more. @throws RouterError `RPG_FAILOVER_IN_PROGRESS` */
  passHold(statement?: Statement): Promise<void> {
    return this.#writes.pass(statement);
  }

  /** A connection to where a read may go; `first` runs on it, for example the BEGIN of a read-only transaction. */
  async leaseForReads(call: Call, first: (lease: Lease) => Promise<Attempt>): Promise<Opened> {
    await this.ready();
    return this.#reads.open(call, first);
  }

  /** What the caller is told, after what it says of the primary has been acted on. */
  async writeError(call: Call, primary: PrimaryEndpoint, failure: Failure): Promise<unknown> {
    if (failure.kind === 'connection') this.noteConnectionLost(primary.name);
    // A procedure, or a text with several statements, may have committed before it failed.
    if (failure.phase === 'querying') this.noteWrite(call);
    if (codeOf(failure.error) === '25006' && (await this.hasBeenDemoted(primary))) {
      return failoverInProgress(primary, failure.error);
    }
    return errorOf(primary, failure, isSurelyRead(call.verdict));
  }

  /**
   * A server that is believed to be the primary has refused a write: asks whether it is a standby. If so, its connections are let
   * go, because each of them would refuse the next write as well.
   */
  async hasBeenDemoted(endpoint: PrimaryEndpoint): Promise<boolean> {
    const pool = this.pools.find(endpoint);
    const { topology } = this.view;
    if (this.#closing.signal.aborted || pool === undefined || topology === undefined) return false;
    if (!(await this.#standbyQuestion.isStandby(endpoint, topology))) return false;
    // Who asked beside us has let them go already.
    if (this.pools.find(endpoint) !== pool) return true;
    this.settings.log.warn({ instance: endpoint.name }, 'the primary has become a standby');
    this.pools.renew(endpoint);
    this.prober?.wake('the primary has become a standby');
    return true;
  }

  /** Right after the primary has acknowledged what may have been a write, or its outcome has become unknown. */
  noteWrite({ verdict, request }: Call): void {
    if (!isSurelyRead(verdict)) this.planner.wrote(request);
  }

  /** Right after the primary has answered what was sent there without a plan: what it has shown must be seen from now on, too. */
  notePrimary(call: Call): void {
    if (isSurelyRead(call.verdict)) this.planner.readOnPrimary(call.request);
    else this.noteWrite(call);
  }

  /** Resolves once there is a topology. @throws RouterError */
  async ready(): Promise<void> {
    this.#closing.signal.throwIfAborted();
    if (this.#document !== undefined) return;
    await this.view.ready(this.deps.clock, this.#closing.signal);
  }

  /** The newest document. Without an `await` between this and `pools.of`, so that the pool is there. */
  current(): EndpointsDocument {
    this.#closing.signal.throwIfAborted();
    const { document } = this;
    assert(document !== undefined, 'a statement is routed only once there is a topology');
    return document;
  }

  /** @throws RouterError `RPG_NO_PRIMARY` */
  primary(): PrimaryEndpoint {
    const { primary } = this.current();
    if (primary === null) throw this.noPrimary();
    return primary;
  }

  noPrimary(): RouterError {
    const { topology, epoch } = this.current();
    this.prober?.wake('a write finds no primary');
    return noPrimary(topology.name, epoch, this.view.found?.reason ?? 'the document names none');
  }

  end(): Promise<void> {
    this.#closing.abort(new RouterError('RPG_CLOSED', 'the replica manager has been ended'));
    this.#ended ??= Promise.all([this.pools.end(), this.#followed]).then(() => {});
    return this.#ended;
  }

  noteFailure({ name }: PrimaryEndpoint, failure: Failure, startedAtMs: number): void {
    if (failure.kind !== 'connection') {
      // It answered, if not as hoped, so its connection is fine.
      if (failure.phase === 'querying' && failure.kind !== 'timeout') this.health.delete(name);
      return;
    }
    this.noteConnectionLost(name);
    this.rest({ name }, failure.error, startedAtMs);
  }

  /** Leaves it to other instances to answer reads. */
  rest({ name }: Pick<PrimaryEndpoint, 'name'>, error: unknown, startedAtMs: number): void {
    const before = this.health.get(name);
    // Of many reads that one outage hits at once, the first counts; else the rest would be long at once.
    if (before !== undefined && startedAtMs <= before.failedAtMs) return;
    const reason = messageOf(error);
    this.health.set(name, afterFailure(before, reason, this.deps.clock.now(), this.deps.random()));
    this.settings.log.warn({ instance: name, reason }, 'instance left out of reads for a while');
  }

  /** Not for connections that we close. */
  noteConnectionLost(instance: string): void {
    this.planner.noteConnectionLost(instance);
    this.prober?.wake('a connection was lost');
  }

  #follow(topology: Topology): void {
    const { useReadReplicas } = this.settings;
    const document = useReadReplicas ? topology.document : { ...topology.document, replicas: [] };
    this.#document = document;
    if (document.primary !== null) this.#followPrimary(document.primary);
    this.pools.follow({ ...topology, document });
    this.planner.follow(document, document.primary?.name ?? null);
    const names = new Set(document.replicas.map(({ name }) => name).concat(document.primary?.name ?? []));
    for (const name of this.health.keys()) if (!names.has(name)) this.health.delete(name);
    const { epoch, generation, primary } = document;
    this.settings.log.info({ epoch, generation, primary: primary?.name ?? null }, 'following endpoints');
  }

  /** What is under way on the former one is lost, and what it says would come late or never: its machine may be gone. */
  #followPrimary(primary: PrimaryEndpoint): void {
    const former = this.#lastPrimary;
    this.#lastPrimary = primary;
    if (former === undefined || former.name === primary.name) return;
    const [before, now] = [former, primary].map(({ name }) => this.prober?.observations.get(name)?.probe);
    if (before?.kind === 'answered') {
      // A standby has been restarted since, so that every connection there is a new one.
      if (before.role === 'replica' || (now?.kind === 'answered' && isSameServer(before, now))) return;
    }
    this.pools.abandon(former);
  }
}
