// Where what may write goes, when it waits, and when it is sent again.
//
// Invariant: what may have run is never sent again. What waits for an announced switchover has not been sent.

import type { PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import { errorOf, heldTooLong } from './failures.ts';
import type { Failure } from './judgeFailure.ts';
import type { Opened } from './readLoop.ts';
import type { Call, OwnConnection, Router } from './router.ts';
import type { Answer, Statement } from './statement.ts';
import { patienceOf, WriteRetry } from './writeRetry.ts';

/** What became of one attempt on the primary. */
type Used<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'failed'; readonly failure: Failure | undefined; readonly error: unknown };

export class WriteLoop {
  readonly #router: Router;
  #isPrimaryAsked = false;

  constructor(router: Router) {
    this.#router = router;
  }

  run(call: Call, own?: OwnConnection): Promise<Answer> {
    const router = this.#router;
    router.counters.writes += 1;
    // So that a server that says nothing is noticed while the statement waits for it.
    router.prober?.wake('a write is under way');
    return this.#onPrimary(call.statement, async (primary) => {
      const attempt = await router.attempt(primary, call, own);
      if (attempt.kind === 'answered') {
        router.notePrimary(call);
        return { kind: 'done', value: attempt.result };
      }
      const { failure } = attempt;
      return { kind: 'failed', failure, error: await router.writeError(call, primary, failure) };
    });
  }

  /** A connection to the primary; `statement` is the one that needs it. */
  lease(statement: Statement | undefined): Promise<Omit<Opened, 'result'>> {
    const router = this.#router;
    return this.#onPrimary(statement, async (endpoint) => {
      const leased = await router.pools.of(endpoint).lease();
      if (leased.kind === 'leased') return { kind: 'done', value: { endpoint, lease: leased.lease } };
      const { failure } = leased;
      if (failure.kind === 'connection') router.noteConnectionLost(endpoint.name);
      return { kind: 'failed', failure, error: errorOf(endpoint, failure, false) };
    });
  }

  /** Resolves when no switchover keeps writes waiting any more. @throws RouterError `RPG_FAILOVER_IN_PROGRESS` */
  async pass(statement: Statement | undefined): Promise<void> {
    const { hold } = this.#router;
    const patienceMs = patienceOf(this.#router, statement);
    while (hold.isOn) if (!(await hold.pass(patienceMs))) throw heldTooLong(patienceMs);
  }

  async #onPrimary<T>(
    statement: Statement | undefined,
    use: (primary: PrimaryEndpoint) => Promise<Used<T>>,
  ): Promise<T> {
    if (!this.#isPrimaryAsked) await this.#askFirst();
    for (let retry: WriteRetry | undefined; ; ) {
      if (this.#router.hold.isOn) await this.pass(statement);
      const { primary } = this.#router.current();
      const used = primary === null ? this.#absence() : await use(primary);
      if (used.kind === 'done') return used.value;
      const { failure, error } = used;
      retry ??= new WriteRetry(this.#router, statement);
      if (!(await retry.mayTryAgain({ endpoint: primary, failure, error }))) throw error;
    }
  }

  /** Before the first write of this process. */
  async #askFirst(): Promise<void> {
    const { view, deps, closing } = this.#router;
    await view.firstAnswers(deps.clock, closing);
    this.#isPrimaryAsked = true;
  }

  #absence() {
    return { kind: 'failed', failure: undefined, error: this.#router.noPrimary() } as const;
  }
}
