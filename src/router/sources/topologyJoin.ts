// Joins the newest document with the newest login into one topology.
//
// Invariant: whoever is told gets both, and is told again only when one of them is another one.

import type { EndpointsDocument } from '../../endpoints/endpointsDocument.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { messageOf } from '../judgeFailure.ts';
import type { Credentials, CredentialsSource } from './credentialsDirectory.ts';
import type { MissingPart, Topology } from './topologySource.ts';

/** What is known of the document, whichever way it comes. */
export interface KnownDocument {
  readonly document: EndpointsDocument | undefined;
  readonly refusal: string | undefined;
  readonly isFound: boolean;
}

/** A look costs microseconds, and a mount is late by a minute anyway: more often would gain nothing. */
export const lookEveryMs = 1_000;

export class TopologyJoin {
  readonly #documents: KnownDocument;
  readonly #origin: string;
  readonly #credentials: CredentialsSource;
  readonly #log: Log;
  #topology: Topology | undefined;
  #onChange: ((topology: Topology) => void) | undefined;

  constructor(origin: string, documents: KnownDocument, credentials: CredentialsSource, log: Log) {
    this.#origin = origin;
    this.#documents = documents;
    this.#credentials = credentials;
    this.#log = log;
  }

  get topology(): Topology | undefined {
    return this.#topology;
  }

  get problems(): readonly string[] {
    const { refusal } = this.#documents;
    const { problem } = this.#credentials;
    return [
      ...(refusal === undefined ? [] : [`${this.#origin}: ${refusal}`]),
      ...(problem === undefined ? [] : [`credentials: ${problem}`]),
    ];
  }

  get missing(): MissingPart | undefined {
    if (this.#topology !== undefined) return undefined;
    if (this.#documents.document !== undefined) return 'credentials';
    return this.#documents.isFound ? 'validDocument' : 'document';
  }

  /** From now on this one is told, at once when there is something to tell. */
  listen(onChange: (topology: Topology) => void): void {
    this.#onChange = onChange;
    this.update();
    if (this.#topology !== undefined) this.#tell(this.#topology);
  }

  /** To be called when a part may have changed. */
  update(): void {
    const { document } = this.#documents;
    const { credentials } = this.#credentials;
    if (document === undefined || credentials === undefined) return;
    if (isSame(this.#topology, document, credentials)) return;
    this.#topology = { document, credentials };
    this.#tell(this.#topology);
  }

  /** Looks for another login again and again, until the signal is aborted. Never rejects. */
  async followCredentials(clock: Clock, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#credentials.refresh()) this.update();
      } catch (error) {
        this.#log.error(
          { origin: this.#origin, reason: messageOf(error) },
          'could not follow the credentials',
        );
      }
      await clock.sleep(lookEveryMs, signal).catch(() => {});
    }
  }

  #tell(topology: Topology): void {
    try {
      this.#onChange?.(topology);
    } catch (error) {
      this.#log.error({ origin: this.#origin, reason: messageOf(error) }, 'a listener of endpoints failed');
    }
  }
}

function isSame(known: Topology | undefined, document: EndpointsDocument, credentials: Credentials): boolean {
  return known?.document === document && known.credentials === credentials;
}
