// A source whose document comes over a connection that may break: what the stream of the service and the watch of the API server
// have in common.
//
// Invariant: nothing but the signal ends it. However a connection ends, the last good document stays, the problem is told, and
// another attempt follows after a wait that grows and differs from process to process.

import { type BackoffBounds, backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { messageOf } from '../judgeFailure.ts';
import type { CredentialsSource } from './credentialsDirectory.ts';
import { DocumentKeeper } from './documentKeeper.ts';
import { TopologyJoin } from './topologyJoin.ts';
import type { MissingPart, Topology, TopologySource } from './topologySource.ts';

/** What a connection has to say. */
export type Told =
  | { readonly kind: 'document'; readonly text: string }
  /** There is none, or none that could be read. */
  | { readonly kind: 'nothing'; readonly reason: string }
  /** What was told last is still so. */
  | { readonly kind: 'unchanged' };

/** Thrown to connect again: how the protocol works, and no fault. */
export class ConnectAgain extends Error {}

export interface FollowedDocumentOptions {
  readonly origin: string;
  readonly credentials: CredentialsSource;
  readonly log: Log;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** One connection, from its start to its end. Throws whatever ends it. */
  readonly connect: (clock: Clock, signal: AbortSignal) => AsyncIterable<Told>;
}

/** A quarter of a second after the first loss, so that a restart is not noticed for long; never over five seconds. */
export const reconnectBounds: BackoffBounds = { firstMs: 250, maxMs: 5_000, jitter: 0.5 };

/** A connection that was open for this long worked, whatever ended it. A server that ends each at once is not asked in a tight loop. */
const workingMs = 10_000;

export class FollowedDocument implements TopologySource {
  readonly origin: string;
  readonly #options: FollowedDocumentOptions;
  readonly #documents: DocumentKeeper;
  readonly #join: TopologyJoin;
  #confirmedAtMs: number | undefined;
  #failures = 0;

  constructor(options: FollowedDocumentOptions) {
    const { origin, credentials, log } = options;
    this.origin = origin;
    this.#options = options;
    this.#documents = new DocumentKeeper(origin, log, 'has not answered yet');
    this.#join = new TopologyJoin(origin, this.#documents, credentials, log);
  }

  get topology(): Topology | undefined {
    return this.#join.topology;
  }

  get problems(): readonly string[] {
    return this.#join.problems;
  }

  get missing(): MissingPart | undefined {
    return this.#join.missing;
  }

  get confirmedAtMs(): number | undefined {
    return this.#confirmedAtMs;
  }

  async follow(onChange: (topology: Topology) => void, clock: Clock, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#join.listen(onChange);
    const credentials = this.#join.followCredentials(clock, signal);
    while (!signal.aborted) {
      const waitMs = await this.#connection(clock, signal);
      if (waitMs > 0) await clock.sleep(waitMs, signal).catch(() => {});
    }
    await credentials;
  }

  /** Resolves when it has ended, with the wait before the next one. */
  async #connection(clock: Clock, signal: AbortSignal): Promise<number> {
    const { connect, random, log } = this.#options;
    const startedAtMs = clock.now();
    try {
      for await (const told of connect(clock, signal)) this.#take(told, clock);
      throw new Error('the server ended the stream');
    } catch (error) {
      if (signal.aborted) return 0;
      const hasWorked = clock.now() - startedAtMs >= workingMs;
      if (hasWorked) this.#failures = 0;
      const reason = messageOf(error);
      log.debug({ origin: this.origin, reason }, 'connecting again');
      if (!(error instanceof ConnectAgain)) this.#documents.refuse(`cannot be followed: ${reason}`);
      else if (hasWorked) return 0;
      this.#failures += 1;
      return backoffMs(this.#failures - 1, reconnectBounds, random());
    }
  }

  #take(told: Told, clock: Clock): void {
    switch (told.kind) {
      case 'document':
        this.#documents.take(told.text);
        this.#join.update();
        break;
      case 'nothing':
        this.#documents.lose(told.reason);
        return;
      case 'unchanged':
        break;
    }
    if (this.#documents.refusal === undefined) this.#confirmedAtMs = clock.now();
  }
}
