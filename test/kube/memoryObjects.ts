// A server that keeps objects, with resourceVersion as a precondition, for tests of several writers.

import type { Answer, SeenRequest } from '../fixtures/scriptedApiServer.ts';
import { failure, json } from '../fixtures/scriptedApiServer.ts';

interface Stored {
  readonly metadata: { readonly name: string; readonly resourceVersion?: string } & Readonly<
    Record<string, unknown>
  >;
}

export class MemoryObjects {
  readonly objects = new Map<string, Stored>();
  #version = 100;

  /** Hand it to `answerAlways`. */
  readonly answer: Answer = (response, request) => this.#answerTo(request)(response, request);

  delete(path: string): void {
    this.objects.delete(path);
  }

  #answerTo(request: SeenRequest): Answer {
    const known = this.objects.get(request.path);
    switch (request.method) {
      case 'POST': {
        const object = request.body as Stored;
        const path = `${request.path}/${object.metadata.name}`;
        if (this.objects.has(path)) return failure(409, 'AlreadyExists');
        return this.#store(path, {
          ...object,
          metadata: { ...object.metadata, uid: `uid-${this.#version}` },
        });
      }
      case 'PUT':
        return known === undefined ? failure(404, 'NotFound') : this.#replace(request, known);
      case 'GET':
        return known === undefined ? failure(404, 'NotFound') : json(known);
      default:
        return failure(405, 'MethodNotAllowed');
    }
  }

  #replace(request: SeenRequest, known: Stored): Answer {
    const object = request.body as Stored;
    const { resourceVersion } = object.metadata;
    if (resourceVersion !== undefined && resourceVersion !== known.metadata.resourceVersion) {
      return failure(409, 'Conflict');
    }
    return this.#store(request.path, object);
  }

  #store(path: string, object: Stored): Answer {
    this.#version += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    this.objects.set(path, stored);
    return json(stored);
  }
}
