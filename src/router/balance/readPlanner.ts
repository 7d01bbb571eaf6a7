// What the core of the router calls for its reads: it keeps the lag book, the balancer and the marks of the pool, and hands their
// facts to the decisions. In: documents, observations, reads and writes as they begin and end. Out: choices.
//
// Invariant: whatever is acknowledged or seen is noted before its caller hears of it, so that the caller's next read knows it.

import type { EndpointsDocument, ReplicaEndpoint } from '../../endpoints/endpointsDocument.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Consistency } from '../consistency/consistency.ts';
import { formatToken, parseTokens, type TokenContext } from '../consistency/consistencyToken.ts';
import { LagBook } from '../consistency/lagBook.ts';
import { PendingTokens } from '../consistency/pendingTokens.ts';
import { planWait } from '../consistency/planWait.ts';
import { ReadMarks } from '../consistency/readMarks.ts';
import { noNeeds, type ReadNeeds } from '../consistency/readNeeds.ts';
import { currentScope, type ScopeUser } from '../consistency/readScope.ts';
import { waitForChange } from '../consistency/waitForChange.ts';
import type { Observation } from '../observation.ts';
import { explainRead, type ReadExplanation } from './explainRead.ts';
import type { ReplicaVerdict } from './judgeReplica.ts';
import { planRead, type ReadChoice } from './planRead.ts';
import { ReadBalancer, type ReadOutcome } from './readBalancer.ts';
import { type ReadFacts, replicasOf, verdictOf } from './readFacts.ts';
import type { ReadSettings } from './readSettings.ts';

export { type ReadSettings, readDefaults } from './readSettings.ts';

export interface ReadPlannerDeps {
  readonly clock: Clock;
  readonly random: () => number;
  /** Asks the prober to look soon. Called for every such read and write; the prober bounds how often it looks. */
  readonly wake: (reason: string) => void;
  /** Tells the prober that replicas are read from. Called for every such read. */
  readonly noteRead: () => void;
}

/** One read or write of a caller, with the scope that it was called in. Made before anything is awaited. */
export interface Request {
  readonly consistency: Consistency;
  readonly marks: ReadMarks;
  readonly isInScope: boolean;
}

/** A read that an instance is working on. */
export interface ReadUnderWay {
  readonly request: Request;
  readonly instance: string;
  readonly role: 'primary' | 'replica';
  readonly startedAtMs: number;
}

/** A wait in vain costs the budget; with this rest, at most one part in twenty-five of the time. */
const restAfterWaitMs = 500;

/** For a ramp of seconds it does not matter when in these it began. */
const noteServingEveryMs = 10;

/** What the core knows; the planner adds the rest. */
export type CoreFacts = Omit<ReadFacts, 'observed' | 'needs' | 'balance' | 'whenLate'>;

export class ReadPlanner implements ScopeUser {
  readonly book = new LagBook();
  readonly #settings: ReadSettings;
  readonly #deps: ReadPlannerDeps;
  readonly #balancer: ReadBalancer;
  /** Every write of the pool; not its reads, which would tie the whole pool to one instance. */
  readonly #poolMarks = new ReadMarks();
  #primaryName: string | null = null;
  /** As the document says, and as the primary last answered. */
  #publishedSystem: string | null = null;
  #observedSystem: string | null = null;
  readonly #tokens = new PendingTokens();
  #ignoredTokens = 0;
  #waitAgainAtMs = Number.NEGATIVE_INFINITY;
  #noteServingAtMs = Number.NEGATIVE_INFINITY;

  constructor(settings: ReadSettings, deps: ReadPlannerDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#balancer = new ReadBalancer(settings, deps.random);
  }

  /** Before anything is routed by a new document or to a new primary. */
  follow(document: EndpointsDocument, primary: string | null): void {
    this.#primaryName = primary;
    this.#publishedSystem = document.topology.systemIdentifier;
    this.book.follow(document, primary);
    this.#balancer.follow(new Set(document.replicas.map(({ name }) => name)));
  }

  note(observation: Observation): void {
    const { instance, probe } = observation;
    if (instance === this.#primaryName && probe.kind === 'answered' && probe.role === 'primary') {
      this.#observedSystem = probe.systemIdentifier ?? this.#observedSystem;
    }
    this.book.note(observation);
  }

  /** A connection to an instance broke: it may have been restarted. Not for connections that we close. */
  noteConnectionLost(instance: string): void {
    this.book.noteConnectionLost(instance, this.#deps.clock.now());
  }

  /** At the start of every call of an application, while the caller's scope is still around. */
  request(consistency?: Consistency): Request {
    const scope = currentScope();
    return {
      consistency: consistency ?? scope?.consistency ?? this.#settings.consistency,
      marks: scope?.marksOf(this) ?? this.#poolMarks,
      isInScope: scope !== undefined,
    };
  }

  plan(request: Request, core: CoreFacts): ReadChoice {
    const facts = this.facts(request, core);
    if (facts.nowMs >= this.#noteServingAtMs) {
      this.#balancer.noteServing(servingNames(facts), facts.nowMs);
      this.#noteServingAtMs = facts.nowMs + noteServingEveryMs;
    }
    if (facts.needs?.wantsProbes === true) this.#deps.wake('a read waits for positions');
    return planRead(facts);
  }

  /**
   * Whether a replica can serve a read now that was on its way to the primary: then plan again. False at once when waiting is not
   * worth it. @throws the signal's reason
   */
  async waitInstead(
    request: Request,
    core: () => CoreFacts,
    choice: ReadChoice,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { clock, wake } = this.#deps;
    if (clock.now() < this.#waitAgainAtMs) return false;
    const plan = planWait(this.facts(request, core()), choice, this.#settings.waitBudgetMs);
    if (plan.kind === 'go') return false;
    wake('a read waits for a replica');
    const isReplica = () => planRead(this.facts(request, core())).kind === 'replica';
    const isThere = await waitForChange(this.book, isReplica, plan.atMostMs, clock, signal);
    if (!isThere) this.#waitAgainAtMs = clock.now() + restAfterWaitMs;
    return isThere;
  }

  /** Right before the statement is sent. */
  started(
    request: Request,
    choice: Exclude<ReadChoice, { kind: 'none' }>,
    nowMs = this.#deps.clock.now(),
  ): ReadUnderWay {
    const { endpoint, kind } = choice;
    if (kind === 'replica') {
      this.#balancer.started(choice);
      this.#deps.noteRead();
      if (request.isInScope) request.marks.noteReplicaReadStarted(endpoint.name);
    }
    return { request, instance: endpoint.name, role: kind, startedAtMs: nowMs };
  }

  /** Right after its answer, before the caller has it. */
  finished({ request, instance, role, startedAtMs }: ReadUnderWay, outcome: ReadOutcome): void {
    if (role === 'replica') this.#balancer.finished(instance, outcome, startedAtMs, this.#deps.clock.now());
    if (outcome === 'failed') return;
    if (role === 'replica') this.readOnReplica(request, instance, startedAtMs);
    else this.#noteOnPrimary(request, request.consistency === 'strong');
  }

  /** Right after the primary has answered a read that was sent there without `plan`: by a hint, or in a transaction. */
  readOnPrimary(request: Request): void {
    this.#noteOnPrimary(request, true);
  }

  #noteOnPrimary({ marks, isInScope }: Request, isAskedFor: boolean): void {
    if (isInScope) marks.notePrimaryRead(this.#deps.clock.now(), isAskedFor);
  }

  /** As `readOnPrimary`, of a replica. `startedAtMs` is when the statement was sent. */
  readOnReplica({ marks, isInScope, consistency }: Request, instance: string, startedAtMs: number): void {
    if (!isInScope) return;
    const span = { startedAtMs, endedAtMs: this.#deps.clock.now() };
    marks.noteReplicaRead(instance, span, consistency !== 'eventual');
  }

  /** Right after the primary has acknowledged a write, or its outcome has become unknown. */
  wrote(request: Request): void {
    const nowMs = this.#deps.clock.now();
    request.marks.noteWriteAcknowledged(nowMs);
    this.#poolMarks.noteWriteAcknowledged(nowMs);
    this.#deps.wake('a write was acknowledged');
  }

  explain(request: Request, core: CoreFacts): ReadExplanation {
    return explainRead(this.facts(request, core));
  }

  /** Whether a replica serves, and why not: for the status. */
  verdictOf(replica: ReplicaEndpoint, core: CoreFacts): ReplicaVerdict {
    return verdictOf(replica, this.#allFacts(core, noNeeds));
  }

  /** Monotonic time at which a replica last answered a read; -Infinity when it has not. */
  answeredAtMs(name: string): number {
    return this.#balancer.answeredAtMs(name);
  }

  /** Who has the next turn, as its place in the document; undefined when no replica has one. For the status. */
  nextReplicaIndex(core: CoreFacts): number | undefined {
    const choice = planRead(this.#allFacts(core, noNeeds));
    if (choice.kind !== 'replica') return undefined;
    return core.document.replicas.findIndex(({ name }) => name === choice.endpoint.name);
  }

  facts(request: Request, core: CoreFacts): ReadFacts {
    return this.#allFacts(core, this.#needs(request));
  }

  /** In so many words, because copying one value into another took as long as the decision. */
  #allFacts(core: CoreFacts, needs: ReadNeeds): ReadFacts {
    const { document, primary, health, tried, turn, isOverflow, nowMs } = core;
    return {
      document,
      primary,
      health,
      tried,
      turn,
      isOverflow,
      nowMs,
      observed: this.book.view,
      needs,
      balance: this.#balancer.facts(),
      whenLate: this.#settings.whenLate,
    };
  }

  acceptToken(token: string, marks: ReadMarks): void {
    const nowMs = this.#deps.clock.now();
    for (const reading of parseTokens(token, this.#settings.tokenKeys, this.#tokenContext())) {
      if (reading.kind === 'position') marks.notePosition(reading.position, nowMs);
      else if (reading.kind === 'pending')
        marks.noteEverythingBefore(
          this.#tokens.hadAt(reading.text, nowMs),
          'the write of a token',
          reading.text,
        );
      else if (reading.kind === 'invalid') this.#ignoredTokens += 1;
    }
  }

  /** Tokens that were not believed. */
  get ignoredTokens(): number {
    return this.#ignoredTokens;
  }

  issueToken(marks: ReadMarks): string | undefined {
    const position = marks.position(this.book.view);
    if (position === null) return undefined;
    const context = this.#tokenContext();
    const isNameless = context.systemIdentifier === null;
    if (marks.handedOn !== null && (position === 'pending' || isNameless)) return marks.handedOn;
    const { tokenKeys } = this.#settings;
    if (position !== 'pending') return formatToken(position, tokenKeys, context);
    const token = formatToken({ nonce: this.#tokens.nextNonce() }, tokenKeys, context);
    if (token !== undefined) this.#tokens.hadAt(token, this.#deps.clock.now());
    return token;
  }

  #tokenContext(): TokenContext {
    const systemIdentifier = this.#publishedSystem ?? this.#observedSystem;
    return { systemIdentifier, wallMs: this.#deps.clock.wallNow().getTime() };
  }

  /** A bounded read outside of scopes has no writes of its own. */
  #needs({ consistency, marks, isInScope }: Request): ReadNeeds {
    if (typeof consistency === 'object' && !isInScope) {
      return { ...noNeeds, maxAgeMs: consistency.maxLagMs, wantsProbes: true };
    }
    return marks.needs(consistency, this.book.view);
  }
}

function servingNames(facts: ReadFacts): string[] {
  const serving = replicasOf(facts).filter((replica) => verdictOf(replica, facts).kind === 'serving');
  return serving.map(({ name }) => name);
}
