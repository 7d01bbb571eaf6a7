// Where writes wait: during an announced switchover before they are sent, and after a failover when they provably did not run.
//
// Invariant: nobody waits here longer than the announcement, the settings or the caller allow, and at most `maxWaiting` at once. As
// long as somebody waits, the instances are asked often.

import type { EndpointsDocument } from '../endpoints/endpointsDocument.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { InstanceProber } from './instanceProber.ts';
import { type FailedWrite, judgeSuccessor } from './judgeRetry.ts';
import {
  judgeSwitchover,
  noSwitchover,
  type SwitchoverFacts,
  type SwitchoverHold,
  whyOver,
} from './judgeSwitchover.ts';

export interface WriteHoldDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly prober: InstanceProber | undefined;
  readonly closing: AbortSignal;
}

/** A promise and its values for each are a few megabytes. Whoever sends more than that in a pause is told at once. */
const maxWaiting = 10_000;

export class WriteHold {
  readonly #deps: WriteHoldDeps;
  readonly #waiters = new Set<() => void>();
  readonly #serverOf = new Map<string, string>();
  #memory = noSwitchover;

  constructor(deps: WriteHoldDeps) {
    this.#deps = deps;
  }

  /** The one question that every write asks. */
  get isOn(): boolean {
    return this.#memory.hold !== undefined;
  }

  get announced(): SwitchoverHold | undefined {
    return this.#memory.hold;
  }

  /** To be told of whatever may make a difference, after the topology has been followed. */
  note(facts: SwitchoverFacts): void {
    for (const { instance, probe } of facts.observations.values()) {
      if (probe.kind === 'answered' && typeof probe.server === 'string')
        this.#serverOf.set(instance, probe.server);
    }
    const { hold } = this.#memory;
    this.#memory = judgeSwitchover(facts, this.#memory);
    const held = this.#memory.hold;
    if (held?.id !== hold?.id) this.#tell(facts, hold, held);
    for (const waiter of this.#waiters) waiter();
  }

  /** The start of the server that an instance has told last; null when it has told none. */
  serverOf(instance: string): string | null {
    return this.#serverOf.get(instance) ?? null;
  }

  /** Resolves when writes may go on; false when that took longer than the caller has. @throws the reason of closing */
  async pass(patienceMs: number): Promise<boolean> {
    const { hold } = this.#memory;
    if (hold === undefined) return true;
    const { clock } = this.#deps;
    const callerMs = clock.now() + patienceMs;
    const isOver = await this.#until(
      () => this.#memory.hold?.id !== hold.id,
      Math.min(hold.untilMs, callerMs),
    );
    if (!isOver && clock.now() >= hold.untilMs) this.#expire(hold);
    return isOver || clock.now() < callerMs;
  }

  /** Whether a primary answers that may be sent what did not run. @throws the reason of closing */
  async successor(failed: FailedWrite, document: () => EndpointsDocument, untilMs: number): Promise<boolean> {
    const { prober } = this.#deps;
    if (prober === undefined) return false;
    const judge = () => judgeSuccessor(document(), prober.observations, failed);
    await this.#until(() => judge() !== 'wait', untilMs);
    return judge() === 'there';
  }

  /** Nothing was observed that would have ended it. */
  #expire(hold: SwitchoverHold): void {
    if (this.#memory.hold?.id !== hold.id) return;
    this.#memory = { hold: undefined, over: [...this.#memory.over, hold.id] };
    this.#deps.log.warn({ id: hold.id }, `the switchover took longer than ${hold.holdMs} ms, writes go on`);
    for (const waiter of this.#waiters) waiter();
  }

  async #until(isSo: () => boolean, untilMs: number): Promise<boolean> {
    const { clock, prober, closing } = this.#deps;
    const waitMs = untilMs - clock.now();
    if (isSo()) return true;
    if (waitMs <= 0 || this.#waiters.size >= maxWaiting) return false;
    const reached = Promise.withResolvers<void>();
    const waiter = () => {
      if (isSo()) reached.resolve();
    };
    this.#waiters.add(waiter);
    prober?.hurry('writes wait for a primary');
    const waited = new AbortController();
    const patience = clock.sleep(waitMs, AbortSignal.any([closing, waited.signal]));
    try {
      await Promise.race([reached.promise, patience]);
    } finally {
      this.#waiters.delete(waiter);
      waited.abort();
      patience.catch(() => {});
    }
    return isSo();
  }

  #tell(facts: SwitchoverFacts, before: SwitchoverHold | undefined, now: SwitchoverHold | undefined): void {
    const { log } = this.#deps;
    if (before !== undefined) log.info({ id: before.id }, `writes go on: ${whyOver(facts, before)}`);
    if (now === undefined) return;
    const { id, from, to, holdMs } = now;
    log.info({ id, from, to, holdMs }, 'a switchover is announced, new writes wait');
    this.#deps.prober?.wake('a switchover is announced');
  }
}
