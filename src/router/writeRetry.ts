// What may be done about one statement that has failed on the primary: nothing, or to wait for a primary and send it again.
//
// Invariant: bounded in time by the settings and the caller, and in number; each attempt needs news of a primary since the last.

import type { PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import type { Failure } from './judgeFailure.ts';
import { judgeNotRun } from './judgeRetry.ts';
import type { Router } from './router.ts';
import { RouterError } from './routerError.ts';
import { isSubmittable, type Statement } from './statement.ts';

/** Covers two failovers at once. More is no failover but a server that answers probes and nothing else. */
const maxAttempts = 5;

/** Longer than it takes until a lost node's primary is replaced (12 s). */
const defaultFailoverTimeoutMs = 15_000;

export interface FailedAttempt {
  /** Null when no primary was known; then there is no failure either. */
  readonly endpoint: PrimaryEndpoint | null;
  readonly failure: Failure | undefined;
  /** What the caller would be told. */
  readonly error: unknown;
}

export class WriteRetry {
  readonly #router: Router;
  readonly #text: string | undefined;
  readonly #untilMs: number;
  #attempts = 1;

  constructor(router: Router, statement: Statement | undefined) {
    this.#router = router;
    this.#text = statement?.text;
    const patienceMs = Math.min(failoverTimeoutMs(router), patienceOf(router, statement));
    this.#untilMs = router.deps.clock.now() + patienceMs;
  }

  /** Resolves true when it did not run and there is a primary to run it. */
  async mayTryAgain({ endpoint, failure, error }: FailedAttempt): Promise<boolean> {
    const { hold, deps, counters } = this.#router;
    if (this.#attempts >= maxAttempts) return false;
    this.#attempts += 1;
    const isStandby = error instanceof RouterError && error.code === 'RPG_FAILOVER_IN_PROGRESS';
    const how = failure === undefined ? 'unsent' : judgeNotRun(this.#text, failure, isStandby);
    if (how === undefined) return false;
    const server = endpoint === null ? null : hold.serverOf(endpoint.name);
    const failed = { how, endpoint, server, failedAtMs: deps.clock.now() };
    const isThere = await hold.successor(failed, () => this.#router.current(), this.#untilMs);
    if (isThere) counters.retries += 1;
    return isThere;
  }
}

/** With fixed addresses a person promotes, which takes longer than anybody waits for a statement. */
function failoverTimeoutMs({ settings, document }: Router): number {
  return settings.failoverTimeoutMs ?? ((document?.epoch ?? 0) > 0 ? defaultFailoverTimeoutMs : 0);
}

/** How long the caller of a statement waits for its answer, or for a connection when there is none. */
export function patienceOf({ settings }: Router, statement: Statement | undefined): number {
  const { driver, statementTimeoutMs } = settings;
  if (statement === undefined) return driver?.connectionTimeoutMillis || statementTimeoutMs;
  const { config } = statement;
  const own =
    typeof config === 'object' && !isSubmittable(config)
      ? // What callers of `query` give is not always what its types say.
        (config as { readonly query_timeout?: number } | null)?.query_timeout
      : undefined;
  return own || driver?.query_timeout || statementTimeoutMs;
}
