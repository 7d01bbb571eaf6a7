// Asks one instance again and again over one connection.
//
// Invariant: one question at a time, never two within `urgentEveryMs`, each with a deadline after which the connection is
// destroyed. What comes late because this process stood still says nothing about the instance and is not told.

import { type BackoffBounds, backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { samplesToResume } from './consistency/freshness.ts';
import { messageOf, refusalStateOf } from './judgeFailure.ts';
import type { Observation } from './observation.ts';
import type { ConnectProbe, ProbeConnection, ProbeTarget } from './probeConnection.ts';
import { type ProbeKind, probeSql, readProbeAnswer, shorterProbe } from './probeStatement.ts';

/** A promotion is found within this and a round trip; a server answers 4 such questions a second without noticing. */
export const briskEveryMs = 250;

/** While statements wait for a new primary. A promotion takes 0.1 s, so that this is what a writer sees of the probes. */
export const urgentEveryMs = 40;

/** Covers TLS and a login with SCRAM on a loaded server. As long as the operator's own probes wait. */
export const probeConnectMs = 1_000;
export const probeAnswerMs = 1_000;

/** An instance that does not answer is looked for once a second by each process, not four times. */
const failingBounds: BackoffBounds = { firstMs: briskEveryMs, maxMs: 1_000, jitter: 0.3 };

/** While nobody waits for news: often enough that one that is back does not go without reads for as long as the health check rests. */
const quietFailingBounds: BackoffBounds = { firstMs: briskEveryMs, maxMs: 5_000, jitter: 0.3 };

/** A deadline that fires so much too late was missed by us. */
const standstillMs = 500;

export interface ProbedInstanceDeps {
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly connect: ConnectProbe;
  /** Whether somebody waits for news now. */
  readonly isBrisk: () => boolean;
  /** Whether statements wait for what it will say. */
  readonly isUrgent?: (() => boolean) | undefined;
  /** Time between two questions while nobody does; `reconsider` when it has become shorter. */
  readonly everyMs: () => number;
  readonly onObservation: (observation: Observation) => void;
  /** At once when the other side has hung up, before it is asked anew: a standby that crashed begins below what it had shown. */
  readonly onConnectionLost: () => void;
}

export class ProbedInstance {
  readonly target: ProbeTarget;
  readonly #deps: ProbedInstanceDeps;
  readonly #ended = new AbortController();
  readonly #loop: Promise<void>;
  #wakeUp = new AbortController();
  #connection: ProbeConnection | undefined;
  #kind: ProbeKind = 'full';
  #failures = 0;
  /** Answers that are asked for at once after failures, because the instance is read from again only after so many. */
  #answersWanted = 0;
  #startedAtMs = Number.NEGATIVE_INFINITY;
  #isAsked = false;

  constructor(target: ProbeTarget, deps: ProbedInstanceDeps) {
    this.target = target;
    this.#deps = deps;
    this.#loop = this.#run();
  }

  /** Asks as soon as it may. */
  wake(): void {
    this.#isAsked = true;
    this.#wakeUp.abort();
  }

  /** Looks anew when to ask next. */
  reconsider(): void {
    this.#wakeUp.abort();
  }

  async end(): Promise<void> {
    this.#ended.abort();
    this.#disconnect();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      this.#isAsked = false;
      const observation = await this.#probe();
      if (signal.aborted) return;
      if (observation !== undefined) this.#deps.onObservation(observation);
      await this.#rest(signal);
    }
  }

  async #rest(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    for (;;) {
      const waitMs = this.#dueAtMs() - clock.now();
      if (waitMs <= 0 || signal.aborted) return;
      this.#wakeUp = new AbortController();
      await clock.sleep(waitMs, AbortSignal.any([signal, this.#wakeUp.signal])).catch(() => {});
    }
  }

  #dueAtMs(): number {
    return this.#startedAtMs + this.#gapMs();
  }

  #gapMs(): number {
    const { isBrisk, isUrgent, random } = this.#deps;
    const everyMs = this.#deps.everyMs();
    const isAwaited = this.#isAsked || isBrisk();
    if (this.#failures > 0) {
      const gapMs = backoffMs(this.#failures, isAwaited ? failingBounds : quietFailingBounds, random());
      return isAwaited ? gapMs : Math.min(gapMs, everyMs);
    }
    if (isUrgent?.() === true) return urgentEveryMs;
    if (isAwaited) return briskEveryMs;
    return this.#answersWanted > 0 ? Math.min(briskEveryMs, everyMs) : everyMs * (1 - 0.1 * random());
  }

  /** Undefined when the answer says nothing about the instance. */
  async #probe(): Promise<Observation | undefined> {
    const { clock } = this.#deps;
    this.#startedAtMs = clock.now();
    try {
      const connection = this.#connection ?? (await this.#connect());
      this.#connection = connection;
      // A position in the answer is one of this time on, not of the time at which the login began.
      const startedAtMs = clock.now();
      const probe = await this.#ask(connection);
      this.#failures = 0;
      this.#answersWanted = Math.max(0, this.#answersWanted - 1);
      return { instance: this.target.name, startedAtMs, endedAtMs: clock.now(), probe };
    } catch (error) {
      this.#disconnect();
      if (error instanceof Standstill) {
        this.#isAsked = true;
        return undefined;
      }
      this.#failures += 1;
      this.#answersWanted = samplesToResume;
      return {
        instance: this.target.name,
        startedAtMs: this.#startedAtMs,
        endedAtMs: clock.now(),
        probe: {
          kind: 'failed',
          reason: messageOf(error),
          refusal: refusalStateOf(error),
          isSilent: error instanceof Silence || undefined,
        },
      };
    }
  }

  async #connect(): Promise<ProbeConnection> {
    const aborted = new AbortController();
    const connecting = this.#deps.connect(this.target, AbortSignal.any([aborted.signal, this.#ended.signal]));
    const connection = await this.#within(probeConnectMs, 'no connection', connecting, () => aborted.abort());
    this.#kind = 'full';
    connection.onClose(() => {
      if (this.#connection !== connection) return;
      this.#connection = undefined;
      this.#deps.onConnectionLost();
      // A server that hangs up has something to tell.
      this.wake();
    });
    return connection;
  }

  /** At most once for each statement there is. */
  async #ask(connection: ProbeConnection) {
    for (;;) {
      try {
        const asking = connection.query(probeSql[this.#kind]);
        const { rows } = await this.#within(probeAnswerMs, 'no answer', asking, () => connection.close());
        return readProbeAnswer(rows[0]);
      } catch (error) {
        const shorter = shorterProbe(this.#kind, error);
        if (shorter === undefined) throw error;
        this.#kind = shorter;
      }
    }
  }

  async #within<T>(deadlineMs: number, what: string, work: Promise<T>, giveUp: () => void): Promise<T> {
    const { clock } = this.#deps;
    const startedAtMs = clock.now();
    const done = new AbortController();
    const deadline = clock.sleep(deadlineMs, done.signal).then(() => {
      giveUp();
      // What the abandoned work says later is of no interest.
      work.catch(() => {});
      const isOurs = clock.now() - startedAtMs > deadlineMs + standstillMs;
      throw isOurs ? new Standstill() : new Silence(`${what} within ${deadlineMs} ms`);
    });
    try {
      return await Promise.race([work, deadline]);
    } finally {
      done.abort();
      deadline.catch(() => {});
    }
  }

  #disconnect(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close();
  }
}

/** This process did not run for a while, so that a deadline passed which nobody could have met. */
class Standstill extends Error {}

class Silence extends Error {}
