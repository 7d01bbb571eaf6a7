// Where a read goes, and where it goes next when that was in vain.
//
// Invariant: bounded by the number of instances, each of which is asked at most once, the primary too when a replica refuses what
// belongs there. What may write is sent to the primary once, whatever comes of it. A read that is on the primary instead of a
// replica holds a slot of the fallback gate, unless it runs on a connection that its client holds already.

import type { EndpointsDocument, PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import { assert } from '../lib/assert.ts';
import type { ReadChoice } from './balance/planRead.ts';
import type { ReadFacts } from './balance/readFacts.ts';
import type { CoreFacts } from './balance/readPlanner.ts';
import { claimRested, lookForThoseWhoFailed } from './claimRested.ts';
import { refusalStates } from './classify/classifier.ts';
import { isSurelyRead } from './classify/verdict.ts';
import { errorOf, fallbackBusy, noReplica, poolBusy } from './failures.ts';
import { FallbackGate } from './fallbackGate.ts';
import { codeOf, type Failure, isLoginRefused } from './judgeFailure.ts';
import type { Attempt, Lease } from './lease.ts';
import type { Call, OwnConnection, Router } from './router.ts';
import type { RouterError } from './routerError.ts';
import type { Answer } from './statement.ts';

/** What a replica says about definitions that have not reached it yet: undefined table, column, function, object, schema. */
const definitionStates: ReadonlySet<string> = new Set(['42P01', '42703', '42883', '42704', '3F000']);

/** A standby cannot run serializable transactions, so there these come from replay: serialization_failure, deadlock_detected. */
const conflictStates: ReadonlySet<string> = new Set(['40001', '40P01']);

const nobody: ReadonlySet<string> = new Set();

type PrimaryChoice = Extract<ReadChoice, { kind: 'primary' }>;
type Use = (endpoint: PrimaryEndpoint) => Promise<Attempt>;

export class ReadLoop {
  readonly #router: Router;
  readonly #fallback: FallbackGate;

  constructor(router: Router) {
    this.#router = router;
    const { driver, poolSize, reads } = router.settings;
    this.#fallback = new FallbackGate(driver?.max ?? poolSize, reads.fallback);
  }

  run(call: Call, own?: OwnConnection): Promise<Answer> {
    const read = new Read(this.#router, this.#fallback, call, own);
    return read.run((endpoint) => this.#router.attempt(endpoint, call, own));
  }

  /** As `run`, but the connection stays with the caller, and with it the slot on the primary if it has one. */
  async open(call: Call, first: (lease: Lease) => Promise<Attempt>): Promise<Opened> {
    const read = new Read(this.#router, this.#fallback, call);
    let opened: Omit<Opened, 'result'> | undefined;
    const result = await read.run(async (endpoint) => {
      const leased = await this.#router.pools.of(endpoint).lease();
      if (leased.kind === 'failed') return leased;
      const { lease } = leased;
      const attempt = await first(lease);
      if (attempt.kind === 'failed') lease.release('keep');
      else {
        opened = { endpoint, lease };
        read.handOver(lease);
      }
      return attempt;
    });
    assert(opened !== undefined, 'the BEGIN of a read-only transaction is never sent to the primary instead');
    return { ...opened, result };
  }
}

/** A connection that is the caller's until he releases it. */
export interface Opened {
  readonly endpoint: PrimaryEndpoint;
  readonly lease: Lease;
  readonly result: Answer;
}

/** One read on its way. */
class Read {
  readonly #router: Router;
  readonly #gate: FallbackGate;
  readonly #call: Call;
  readonly #own: OwnConnection | undefined;
  #tried = nobody;
  #hasWaited = false;
  #isOnFallback = false;
  #busy: RouterError | undefined;
  /** Replicas that did not let us in. */
  readonly #refusals: { readonly endpoint: PrimaryEndpoint; readonly failure: Failure }[] = [];
  #cause: unknown;

  constructor(router: Router, gate: FallbackGate, call: Call, own?: OwnConnection) {
    this.#router = router;
    this.#gate = gate;
    this.#call = call;
    this.#own = own;
  }

  async run(use: Use): Promise<Answer> {
    const { planner, counters } = this.#router;
    const { request } = this.#call;
    counters.reads += 1;
    lookForThoseWhoFailed(this.#router);
    try {
      for (;;) {
        const facts = this.#facts(this.#router.current());
        const choice = planner.plan(request, facts);
        if (choice.kind === 'none') {
          throw (
            this.#busy ??
            this.#refusal() ??
            noReplica(facts.document.topology.name, choice.reason, this.#cause)
          );
        }
        if (choice.kind === 'primary' && this.#router.hold.isOn) {
          await this.#router.passHold(this.#call.statement);
          continue;
        }
        // With nothing but a primary there is nothing to fall back from.
        const isDiverted =
          choice.kind === 'primary' && choice.isDiverted && facts.document.replicas.length > 0;
        const waiting = isDiverted ? this.#waitBeforePrimary(choice, facts) : undefined;
        if (waiting !== undefined) {
          await waiting;
          // Meanwhile a replica may have come back, or the primary may have changed.
          continue;
        }
        if (!isDiverted) this.#leaveFallback();
        claimRested(this.#router, choice.endpoint.name, facts.nowMs);
        const underWay = planner.started(request, choice, facts.nowMs);
        const attempt = await use(choice.endpoint);
        planner.finished(underWay, attempt.kind === 'answered' ? 'answered' : 'failed');
        if (attempt.kind === 'answered' || attempt.failure.phase === 'querying')
          this.#restWhoRefused(facts.nowMs);
        if (attempt.kind === 'answered') {
          this.#router.health.delete(choice.endpoint.name);
          if (choice.kind === 'primary') this.#router.noteWrite(this.#call);
          return attempt.result;
        }
        this.#tried = new Set([...this.#tried, choice.endpoint.name]);
        // Not surely a read: it may have run there, so that nobody else is asked.
        if (choice.kind === 'primary' && this.#mayWrite && attempt.failure.phase === 'querying') {
          throw await this.#router.writeError(this.#call, choice.endpoint, attempt.failure);
        }
        const answer = await this.#afterFailure(choice.endpoint, choice.kind, attempt.failure, facts.nowMs);
        if (answer !== undefined) return answer;
        counters.retries += 1;
      }
    } finally {
      this.#leaveFallback();
    }
  }

  /** For a replica that can serve it, or for its turn on the primary; undefined when it has waited, and may go there. */
  #waitBeforePrimary(choice: PrimaryChoice, facts: CoreFacts): Promise<unknown> | undefined {
    const { planner, closing } = this.#router;
    const { request } = this.#call;
    if (!this.#hasWaited) {
      this.#hasWaited = true;
      const current = () => this.#facts(this.#router.current());
      return planner.waitInstead(request, current, choice, closing);
    }
    if (this.#own?.leadsTo(choice.endpoint) === true) this.#leaveFallback();
    else if (!this.#isOnFallback)
      return this.#enterFallback(
        planner.facts(request, facts),
        choice.isReplicaServing ? 'keptOnPrimary' : 'fallbacks',
      );
    return undefined;
  }

  /** Whether the caller's word is all there is for its being a read. */
  get #mayWrite(): boolean {
    return !isSurelyRead(this.#call.verdict);
  }

  /** The slot on the primary, if there is one, is the lease's from now on. */
  handOver(lease: Lease): void {
    if (!this.#isOnFallback) return;
    this.#isOnFallback = false;
    lease.afterwards(() => this.#gate.leave());
  }

  /** Undefined when the next instance is to be asked. @throws what the caller is told */
  async #afterFailure(
    endpoint: PrimaryEndpoint,
    role: 'primary' | 'replica',
    failure: Failure,
    startedAtMs: number,
  ): Promise<Answer | undefined> {
    const code = codeOf(failure.error) ?? '';
    this.#cause = failure.error;
    this.#router.noteFailure(endpoint, failure, startedAtMs);
    if (isLoginRefused(failure)) {
      this.#refusals.push({ endpoint, failure });
      if (role === 'replica') return undefined;
      throw this.#refusal();
    }
    if (failure.kind === 'busy') this.#busy = poolBusy(endpoint.name, failure.error);
    if (failure.kind === 'connection' || failure.kind === 'conflict' || failure.kind === 'busy')
      return undefined;
    if (role === 'replica' && failure.kind === 'statement' && this.#call.verdict.pins !== 'transaction') {
      if (conflictStates.has(code)) return undefined;
      if (refusalStates.has(code) && !this.#hasTriedPrimary) return this.#insteadOnPrimary(code);
      if (definitionStates.has(code)) return this.#whenDefinitionsLag(failure);
    }
    throw errorOf(endpoint, failure, true);
  }

  /** What the caller is told when nobody else answers. */
  #refusal(): unknown {
    const [first] = this.#refusals;
    return first === undefined ? undefined : errorOf(first.endpoint, first.failure, true);
  }

  /** Another instance has let us in; if none does, the login is wrong, and that is no reason to rest. */
  #restWhoRefused(startedAtMs: number): void {
    for (const { endpoint, failure } of this.#refusals.splice(0))
      this.#router.rest(endpoint, failure.error, startedAtMs);
  }

  get #hasTriedPrimary(): boolean {
    const primary = this.#router.document?.primary ?? null;
    return primary !== null && this.#tried.has(primary.name);
  }

  /** The replica has refused to run what was taken for a read, so nothing has run. */
  async #insteadOnPrimary(code: string): Promise<Answer> {
    const { classifier, counters, settings } = this.#router;
    const { statement } = this.#call;
    counters.retries += 1;
    if (code === '25006') classifier.learn(statement.text, code);
    const verdict = { ...this.#call.verdict, route: 'primary' as const, rule: 'learned' };
    const answer = await this.#router.write({ ...this.#call, verdict }, this.#own);
    // Other refusals may be of the statement itself; that the primary takes it shows that they are of the standby.
    classifier.learn(statement.text, code);
    settings.log.warn(
      { sqlState: code },
      'a replica refused a statement, which goes to the primary from now on',
    );
    return answer;
  }

  /** Only where reads may be on the primary at all. */
  async #whenDefinitionsLag(failure: Failure): Promise<Answer> {
    const { document } = this.#router;
    const primary = document?.primary ?? null;
    if (document === undefined || primary === null || !document.routing.fallbackToPrimary)
      throw failure.error;
    if (this.#tried.has(primary.name)) throw failure.error;
    const { planner, counters } = this.#router;
    const { request } = this.#call;
    if (!this.#isOnFallback && this.#own?.leadsTo(primary) !== true)
      await this.#enterFallback(planner.facts(request, this.#facts(document)), 'fallbacks');
    counters.retries += 1;
    const current = this.#router.primary();
    const attempt = await this.#router.attempt(current, this.#call, this.#own);
    if (attempt.kind === 'failed') {
      if (this.#mayWrite) throw await this.#router.writeError(this.#call, current, attempt.failure);
      throw errorOf(current, attempt.failure, true);
    }
    planner.readOnPrimary(request);
    this.#router.noteWrite(this.#call);
    return attempt.result;
  }

  #facts(document: EndpointsDocument): CoreFacts {
    const { health, deps } = this.#router;
    const isOverflow = this.#busy !== undefined;
    return {
      document,
      health,
      tried: this.#tried,
      turn: 0,
      isOverflow,
      nowMs: deps.clock.now(),
    };
  }

  /** Resolves when the read may be on the primary. @throws RouterError `RPG_FALLBACK_BUSY`, `RPG_CLOSED` */
  async #enterFallback(facts: ReadFacts, counter: 'fallbacks' | 'keptOnPrimary'): Promise<void> {
    const { deps, settings, closing, counters } = this.#router;
    const maxWaitMs = settings.driver?.connectionTimeoutMillis || settings.connectTimeoutMs;
    const hasSlot = await this.#gate.enter(maxWaitMs, deps.clock, closing);
    if (!hasSlot) throw fallbackBusy(facts, this.#cause);
    counters[counter] += 1;
    this.#isOnFallback = true;
    this.#router.prober?.wake('a read finds no replica');
  }

  #leaveFallback(): void {
    if (!this.#isOnFallback) return;
    this.#isOnFallback = false;
    this.#gate.leave();
  }
}
