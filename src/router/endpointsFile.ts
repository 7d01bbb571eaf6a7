// Follows the mounted endpoints document.
//
// Invariant: the document only ever gets newer. A file that is missing, broken, older or about another
// topology is refused, and the last good document stays, because old endpoints still answer while no
// endpoints answer nobody.

import { readFileSync } from 'node:fs';
import { compareEndpoints } from '../endpoints/compareEndpoints.ts';
import type { EndpointsDocument } from '../endpoints/endpointsDocument.ts';
import { parseEndpoints } from '../endpoints/parseEndpoints.ts';
import type { Log } from '../lib/log.ts';
import { fileVersion } from './fileVersion.ts';
import { messageOf } from './judgeFailure.ts';

export class EndpointsFile {
  readonly path: string;
  readonly #log: Log;
  #version: string | undefined;
  #document: EndpointsDocument | undefined;
  #refusal: string | undefined = 'has not been looked at yet';

  constructor(path: string, log: Log) {
    this.path = path;
    this.#log = log;
  }

  /** The newest good document, once there was one. */
  get document(): EndpointsDocument | undefined {
    return this.#document;
  }

  /** Why what is in the file now was not taken; undefined when it was. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Whether there is a file at all. */
  get isPresent(): boolean {
    return this.#version !== undefined;
  }

  /** Looks at the file, reads it if it changed, and says whether the document is a new one. */
  refresh(): boolean {
    const version = fileVersion(this.path);
    if (version === undefined) {
      this.#version = undefined;
      this.#refuse('does not exist');
      return false;
    }
    if (version === this.#version) return false;
    let text: string;
    try {
      text = readFileSync(this.path, 'utf8');
    } catch (error) {
      this.#refuse(messageOf(error));
      return false;
    }
    this.#version = version;
    return this.#take(text);
  }

  #take(text: string): boolean {
    let candidate: EndpointsDocument;
    try {
      candidate = parseEndpoints(text);
    } catch (error) {
      this.#refuse(messageOf(error));
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
        this.#refuse(`is older than the one in use: ${position(candidate)} after ${position(current)}`);
        return false;
      case 'otherTopology':
        this.#refuse('is about another topology or database system, restart the application to follow it');
        return false;
    }
  }

  /** Once per change, not once per look. */
  #refuse(reason: string): void {
    if (reason === this.#refusal) return;
    this.#refusal = reason;
    this.#log.warn({ path: this.path, reason }, 'endpoints file refused');
  }
}

function position(document: EndpointsDocument | undefined): string {
  return `epoch ${document?.epoch}, generation ${document?.generation}`;
}
