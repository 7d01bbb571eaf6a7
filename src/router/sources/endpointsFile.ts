// Follows the mounted endpoints document. What is taken and what is refused, `DocumentKeeper` says.

import { readFileSync } from 'node:fs';
import type { EndpointsDocument } from '../../endpoints/endpointsDocument.ts';
import type { Log } from '../../lib/log.ts';
import { messageOf } from '../judgeFailure.ts';
import { DocumentKeeper } from './documentKeeper.ts';
import { fileVersion } from './fileVersion.ts';

export class EndpointsFile {
  readonly path: string;
  readonly #documents: DocumentKeeper;
  #version: string | undefined;

  constructor(path: string, log: Log) {
    this.path = path;
    this.#documents = new DocumentKeeper(path, log, 'has not been looked at yet');
  }

  /** The newest good document, once there was one. */
  get document(): EndpointsDocument | undefined {
    return this.#documents.document;
  }

  /** Why what is in the file now was not taken; undefined when it was. */
  get refusal(): string | undefined {
    return this.#documents.refusal;
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
      this.#documents.lose('does not exist');
      return false;
    }
    if (version === this.#version) return false;
    let text: string;
    try {
      text = readFileSync(this.path, 'utf8');
    } catch (error) {
      this.#documents.refuse(messageOf(error));
      return false;
    }
    this.#version = version;
    return this.#documents.take(text);
  }
}
