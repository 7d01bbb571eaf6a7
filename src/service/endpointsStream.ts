// GET /endpoints/stream: the endpoints document in use, as it was published, as server-sent events, to every client that listens.
// What this process has found out since by asking the instances is not in it: that has no epoch and generation of its own, so no
// client could tell it from the document, and every client asks the instances itself.
//
// Invariant: a client sees documents in the order in which they came into use and never one twice in a row, also
// across a reconnect that says what it saw last. A client that does not read is dropped, so that memory stays bounded.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EndpointsDocument } from '../endpoints/endpointsDocument.ts';
import type { Clock } from '../lib/clock.ts';
import { type Answer, commonHeaders, problemAnswer } from './answer.ts';

export interface EndpointsStreamDeps {
  /** The document in use as it was published; undefined before the first. What it throws, the client is told who asks then. */
  readonly document: () => EndpointsDocument | undefined;
  /** Must not keep the process alive. */
  readonly clock: Clock;
  readonly maxClients: number;
}

/** A status costs microseconds, and a failover that is told 100 ms later is still far faster than a mounted file. */
export const lookEveryMs = 100;

/** Shorter than the idle limit of the usual proxies, which is 30 s or more, and than a reader's patience. */
export const heartbeatEveryMs = 5_000;

/** A client that left so much unread does not read. Sixteen of the longest documents of a usual topology. */
const maxUnreadBytes = 64 * 1024;

/** How long a client waits before it connects again; told to it in the stream. */
const retryMs = 1_000;

interface StreamClient {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  lastId: string | undefined;
  /** Monotonic time of the last thing that was written. */
  wroteAtMs: number;
}

export class EndpointsStream {
  readonly #deps: EndpointsStreamDeps;
  readonly #clients = new Set<StreamClient>();
  readonly #closing = new AbortController();
  #isFollowing = false;

  constructor(deps: EndpointsStreamDeps) {
    this.#deps = deps;
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  /** Begins a stream on the response, or says why there is none. */
  serve(request: IncomingMessage, response: ServerResponse): Answer | undefined {
    const { maxClients, clock } = this.#deps;
    if (this.#closing.signal.aborted) return problemAnswer(503, 'the service is stopping');
    // Behind middleware that waits, the client may be gone by now; its `close` has been, so nothing would free its place.
    if (isGone(request, response)) return undefined;
    if (this.#clients.size >= maxClients) {
      return problemAnswer(503, `${maxClients} clients follow already, which is the limit`, {
        'retry-after': '5',
      });
    }
    // Before the first byte, so that a router without a valid configuration is told as such.
    const document = this.#deps.document();
    response.writeHead(200, { ...commonHeaders, 'content-type': 'text/event-stream; charset=utf-8' });
    if (request.method === 'HEAD') {
      response.end();
      return undefined;
    }
    const lastId = lastEventIdOf(request);
    const client: StreamClient = { request, response, lastId, wroteAtMs: clock.now() };
    this.#clients.add(client);
    response.once('close', () => this.#clients.delete(client));
    response.on('error', () => this.#clients.delete(client));
    response.write(`retry: ${retryMs}\n\n`);
    this.#tell(client, document);
    void this.#follow();
    return undefined;
  }

  /** Ends every stream, with what is newest told; none begins any more. */
  close(): void {
    this.#closing.abort(new Error('the stream is closed'));
    const document = this.#current();
    for (const client of this.#clients) {
      this.#tell(client, document);
      client.response.end();
    }
    this.#clients.clear();
  }

  /** Looks as long as somebody listens. */
  async #follow(): Promise<void> {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    const { clock } = this.#deps;
    const { signal } = this.#closing;
    while (this.#clients.size > 0) {
      await clock.sleep(lookEveryMs, signal).catch(() => {});
      const document = this.#current();
      for (const client of this.#clients) this.#tell(client, document);
    }
    this.#isFollowing = false;
  }

  /** A status that cannot be read changes nothing for those who listen already. */
  #current(): EndpointsDocument | undefined {
    try {
      return this.#deps.document();
    } catch {
      return undefined;
    }
  }

  #tell(client: StreamClient, document: EndpointsDocument | undefined): void {
    const id = document === undefined ? undefined : eventIdOf(document);
    if (id !== undefined && id !== client.lastId) {
      client.lastId = id;
      this.#write(client, `id: ${id}\nevent: endpoints\ndata: ${JSON.stringify(document)}\n\n`);
    } else if (this.#deps.clock.now() - client.wroteAtMs >= heartbeatEveryMs) {
      this.#write(client, ': heartbeat\n\n');
    }
  }

  #write(client: StreamClient, text: string): void {
    const { request, response } = client;
    if (isGone(request, response) || response.writableLength > maxUnreadBytes) {
      this.#clients.delete(client);
      response.destroy();
      return;
    }
    client.wroteAtMs = this.#deps.clock.now();
    response.write(text);
  }
}

/**
 * Writing to a destroyed response fails silently. A response that waits for its turn on the socket is not destroyed with it, and a
 * request is destroyed as soon as somebody has read it, so it says nothing.
 */
function isGone({ socket }: IncomingMessage, response: ServerResponse): boolean {
  return response.destroyed || socket.destroyed;
}

/** The order of documents as text: `12.41` is generation 41 of epoch 12. */
export function eventIdOf({ epoch, generation }: EndpointsDocument): string {
  return `${epoch}.${generation}`;
}

function lastEventIdOf(request: IncomingMessage): string | undefined {
  const value = request.headers['last-event-id'];
  return typeof value === 'string' && /^\d+\.\d+$/.test(value) ? value : undefined;
}
