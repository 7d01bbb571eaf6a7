// How many clients of a pool with replicas may be out at once. Such a client takes its connections as its statements need them, so
// that the connections bound what runs, but not who has been given a client.
//
// Invariant: no more than `max` are out, and who waits is let in in the order of arrival, as with `pg.Pool`. So each client finds a
// connection to the primary that no other client holds.

import type { Clock } from '../lib/clock.ts';
import { clientsBusy } from './failures.ts';

export interface ClientGateOptions {
  readonly max: number;
  /** Longest wait; 0 waits for ever, as with `pg.Pool`. */
  readonly timeoutMs: number;
  /** Must not keep the process alive: `backgroundClock`. */
  readonly clock: Clock;
}

export class ClientGate {
  readonly #options: ClientGateOptions;
  readonly #letIn = new Set<() => void>();
  #out = 0;

  constructor(options: ClientGateOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#letIn.size;
  }

  /** Resolves when a client may be given out; whoever gives it back calls `leave`. @throws RouterError `RPG_POOL_BUSY` */
  async enter(): Promise<void> {
    const { max, timeoutMs, clock } = this.#options;
    if (this.#out < max) {
      this.#out += 1;
      return;
    }
    const turn = Promise.withResolvers<void>();
    const letIn = () => turn.resolve();
    this.#letIn.add(letIn);
    if (timeoutMs === 0) return turn.promise;
    const hasTurn = new AbortController();
    const patience = clock.sleep(timeoutMs, hasTurn.signal);
    await Promise.race([turn.promise, patience.catch(() => {})]);
    hasTurn.abort();
    // Who is not in the queue any more has been let in, also when the time was up in the same moment.
    if (this.#letIn.delete(letIn)) throw clientsBusy(max);
  }

  /** Lets in who has waited longest. */
  leave(): void {
    const [letIn] = this.#letIn;
    if (letIn === undefined) {
      this.#out -= 1;
      return;
    }
    this.#letIn.delete(letIn);
    letIn();
  }
}
