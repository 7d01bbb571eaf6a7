// One long piece of work at a time, beside the cycles: initialising or cloning. A cycle only looks at it.

import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { InstanceFacts, WorkFact } from '../plan/instanceFacts.ts';

export class Work {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onEnd: () => void;
  #running: { fact: WorkFact; stop: AbortController; done: Promise<void> } | null = null;
  #failure: { reason: string; failures: number; atMs: number } | null = null;

  constructor(clock: Clock, log: Log, onEnd: () => void) {
    this.#clock = clock;
    this.#log = log;
    this.#onEnd = onEnd;
  }

  get fact(): WorkFact | null {
    return this.#running?.fact ?? null;
  }

  get failure(): InstanceFacts['workFailure'] {
    if (this.#failure === null) return null;
    const { reason, failures, atMs } = this.#failure;
    return { reason, failures, sinceMs: this.#clock.now() - atMs };
  }

  /** Begins; its end, good or bad, shows in `fact` and `failure`. */
  begin(
    fact: Omit<WorkFact, 'progress'>,
    run: (signal: AbortSignal, onProgress: (progress: string) => void) => Promise<void>,
  ): void {
    if (this.#running !== null) return;
    const stop = new AbortController();
    const running = { fact: { ...fact, progress: null } as WorkFact, stop, done: Promise.resolve() };
    this.#running = running;
    const onProgress = (progress: string) => {
      running.fact = { ...running.fact, progress };
    };
    const startedAt = this.#clock.now();
    const { kind, source } = fact;
    this.#log.info({ work: kind, source }, 'work on the volume has begun');
    running.done = run(stop.signal, onProgress)
      .then(() => {
        this.#failure = null;
        this.#log.info(
          { work: kind, source, tookMs: Math.round(this.#clock.now() - startedAt) },
          'work on the volume is done',
        );
      })
      .catch((error: unknown) => this.#fail(error, kind, stop.signal.aborted))
      .finally(() => {
        this.#running = null;
        this.#onEnd();
      });
  }

  /** Ends what runs and waits for it. */
  async abandon(reason: string): Promise<void> {
    this.#running?.stop.abort(new Error(reason));
    await this.#running?.done;
  }

  #fail(error: unknown, kind: WorkFact['kind'], abandoned: boolean): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (abandoned) {
      this.#log.info({ work: kind, reason }, 'work on the volume was given up');
      return;
    }
    const failures = (this.#failure?.failures ?? 0) + 1;
    this.#failure = { reason, failures, atMs: this.#clock.now() };
    this.#log.warn({ work: kind, failures, reason }, 'work on the volume failed and starts over');
  }
}
