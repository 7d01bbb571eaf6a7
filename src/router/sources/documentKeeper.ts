// Keeps the newest endpoints document of one origin.
//
// Invariant: the document only ever gets newer. One that is broken, older or about another topology is refused, and the last
// good one stays, because old endpoints still answer while no endpoints answer nobody.

import { compareEndpoints } from '../../endpoints/compareEndpoints.ts';
import type { EndpointsDocument } from '../../endpoints/endpointsDocument.ts';
import { parseEndpoints } from '../../endpoints/parseEndpoints.ts';
import type { Log } from '../../lib/log.ts';
import { messageOf } from '../judgeFailure.ts';

export class DocumentKeeper {
  readonly #origin: string;
  readonly #log: Log;
  #document: EndpointsDocument | undefined;
  #refusal: string | undefined;
  #isFound = false;

  /** @param refusal what is told until something was found or refused */
  constructor(origin: string, log: Log, refusal: string) {
    this.#origin = origin;
    this.#log = log;
    this.#refusal = refusal;
  }

  /** The newest good document, once there was one. */
  get document(): EndpointsDocument | undefined {
    return this.#document;
  }

  /** Why what was found last was not taken; undefined when it was. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Whether the origin holds a document now, good or bad. */
  get isFound(): boolean {
    return this.#isFound;
  }

  /** Takes what the origin holds, and says whether the document is a new one. */
  take(text: string): boolean {
    this.#isFound = true;
    let candidate: EndpointsDocument;
    try {
      candidate = parseEndpoints(text);
    } catch (error) {
      this.refuse(messageOf(error));
      return false;
    }
    const current = this.#document;
    const order = current === undefined ? 'newer' : compareEndpoints(candidate, current);
    switch (order) {
      case 'newer':
        this.#document = candidate;
        this.#refusal = undefined;
        return true;
      case 'same':
        this.#refusal = undefined;
        return false;
      case 'older':
        this.refuse(`is older than the one in use: ${position(candidate)} after ${position(current)}`);
        return false;
      case 'otherTopology':
        this.refuse('is about another topology or database system, restart the application to follow it');
        return false;
    }
  }

  /** The origin holds no document now. */
  lose(reason: string): void {
    this.#isFound = false;
    this.refuse(reason);
  }

  /** Told once per change, not once per look. */
  refuse(reason: string): void {
    if (reason === this.#refusal) return;
    this.#refusal = reason;
    this.#log.warn({ path: this.#origin, reason }, 'endpoints refused');
  }
}

function position(document: EndpointsDocument | undefined): string {
  return `epoch ${document?.epoch}, generation ${document?.generation}`;
}
