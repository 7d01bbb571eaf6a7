// The HTTP service as a handler: a request of node:http in, an answer from the status of a replica manager out.
//
// Invariant: it reads and never changes anything; it answers from what the router knows already, so no request of
// anybody costs the databases a statement. Nothing secret is in any answer.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { backgroundClock, type Clock } from '../lib/clock.ts';
import type { ReplicaManager } from '../router/createReplicaManager.ts';
import { RouterError } from '../router/routerError.ts';
import { type Answer, problemAnswer, sendAnswer } from './answer.ts';
import { EndpointsStream } from './endpointsStream.ts';
import { routes, type ServiceFacts } from './routes.ts';
import { withoutPasswords } from './withoutPasswords.ts';

/** What the service needs of a replica manager. */
export type Monitored = Pick<ReplicaManager, 'status' | 'hasReadReplicas'>;

export interface ServiceHandlerOptions {
  /** Where it is mounted when the framework does not take that off the URL: `/internal`. Default: nowhere deeper */
  readonly basePath?: string | undefined;
  /** Most clients of `/endpoints/stream` at once. Default: 100 */
  readonly maxStreamClients?: number | undefined;
  /** Whether `/readyz` may say yes, beside a topology being known. Default: always */
  readonly isReady?: (() => boolean) | undefined;
  /** Default: the system's */
  readonly clock?: Clock | undefined;
}

/** A handler for `http.createServer`, for Express (`app.use(handler)`) and, with the raw request, for Fastify. */
export interface ServiceHandler {
  /** `next` is called for a path that is not the service's; without it such a path is answered with 404. */
  (request: IncomingMessage, response: ServerResponse, next?: () => void): void;
  /** Ends the streams. The replica manager is its maker's to end. */
  close(): void;
}

/** Every stream costs a socket, and a topology has some dozen applications. */
const defaultMaxStreamClients = 100;

export function createServiceHandler(
  manager: Monitored,
  options: ServiceHandlerOptions = {},
): ServiceHandler {
  const clock = options.clock ?? backgroundClock;
  const stream = new EndpointsStream({
    document: () => manager.status().published ?? undefined,
    clock,
    maxClients: options.maxStreamClients ?? defaultMaxStreamClients,
  });
  const base = (options.basePath ?? '').replace(/\/+$/, '');
  // Read by whom they concern: that the process lives, and what its answers look like, is true without a status.
  const facts: ServiceFacts = {
    get status() {
      return manager.status();
    },
    get hasReadReplicas() {
      return manager.hasReadReplicas();
    },
    get at() {
      return clock.wallNow();
    },
    get streamClients() {
      return stream.clientCount;
    },
    get isReady() {
      return options.isReady?.() ?? true;
    },
  };

  const handler = (request: IncomingMessage, response: ServerResponse, next?: () => void): void => {
    const path = pathOf(request.url ?? '/', base);
    const isStream = path === '/endpoints/stream';
    const route = path === undefined ? undefined : routes.get(path);
    if (!isStream && route === undefined && next !== undefined) {
      next();
      return;
    }
    const answer = answerOrProblem(() => {
      if (!isStream && route === undefined)
        return problemAnswer(404, 'the paths are listed in /openapi.json');
      const { method = '' } = request;
      if (method !== 'GET' && method !== 'HEAD') return methodNotAllowed(method);
      return isStream ? stream.serve(request, response) : route?.(facts, request.headers.accept);
    });
    if (answer !== undefined) sendAnswer(answer, request, response);
  };
  return Object.assign(handler, { close: () => stream.close() });
}

/** The path without query and base; undefined outside the base, which ends where a segment does. */
function pathOf(url: string, base: string): string | undefined {
  const [path = '/'] = url.split('?', 1);
  return path === base || path.startsWith(`${base}/`) ? path.slice(base.length) : undefined;
}

function methodNotAllowed(method: string): Answer {
  return problemAnswer(405, `${method} is not possible here, only GET and HEAD are`, { allow: 'GET, HEAD' });
}

/** A wrong configuration of the router is the reader's to mend, so it is told; what else fails is not his business. */
function answerOrProblem(answer: () => Answer | undefined): Answer | undefined {
  try {
    return answer();
  } catch (error) {
    const detail =
      error instanceof RouterError
        ? withoutPasswords(`${error.code}: ${error.message}`)
        : 'the status could not be read';
    return problemAnswer(500, detail);
  }
}
