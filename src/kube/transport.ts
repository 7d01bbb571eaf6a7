// HTTP to the API server over node:http and node:https. In: where it is, who we are, one exchange. Out: a response.
//
// Connections are kept and shared: requests in one pool, watches in another, so that a watch never takes the place
// of a request. Measured with Node 26, 20 requests: node:http leaves a process at 65 MB, undici at 82 MB, and the
// agent inside every instance has 90 MB in all; so this is the one implementation for operator and agent.

import { createHash } from 'node:crypto';
import * as http from 'node:http';
import * as https from 'node:https';
import { unreachable } from './apiError.ts';

/** What TLS needs to know, in the words of node:tls. */
export interface TlsMaterial {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly pfx?: string | Buffer;
  readonly passphrase?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** Who we are, as of now. `proxyAgent` replaces our own connections where a proxy stands in between. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
  readonly proxyAgent?: http.Agent;
}

/** One request, ready to be sent. `path` begins with a slash and holds the encoded query. */
export interface Exchange {
  readonly pool: 'requests' | 'watches';
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** Sends exchanges to one server. */
export interface Transport {
  /** Resolves when the head of the response is there. Aborting the signal destroys the connection, body included. */
  send(exchange: Exchange, credentials: Credentials, signal: AbortSignal): Promise<http.IncomingMessage>;
  /** Closes every connection. */
  close(): void;
}

/** Beyond this, requests wait for each other; one operator with its workers, elections and events stays below. */
const maxRequestConnections = 16;

/** Well below the 90 s after which the API server closes an idle connection, so that we never race with it. */
const idleConnectionMs = 30_000;

/** The kernel asks a silent peer after this long; a dead node is noticed about 10 s later. */
const tcpKeepAliveMs = 10_000;

interface Pools {
  readonly key: string;
  readonly requests: http.Agent;
  readonly watches: http.Agent;
}

export function createTransport(server: URL): Transport {
  const isTls = server.protocol === 'https:';
  const prefix = server.pathname.replace(/\/$/, '');
  let pools: Pools | undefined;

  function poolsFor(tls: TlsMaterial): Pools {
    const key = tlsKey(tls);
    if (pools?.key === key) return pools;
    // Requests under way keep their sockets; only idle ones are closed, and the old pool gets no new work.
    closeIdle(pools);
    pools = {
      key,
      requests: openPool(isTls, tls, maxRequestConnections),
      watches: openPool(isTls, tls, Infinity),
    };
    return pools;
  }

  return {
    send: (exchange, credentials, signal) =>
      new Promise((resolve, reject) => {
        const request = (isTls ? https : http).request({
          hostname: server.hostname.replace(/^\[|\]$/g, ''),
          port: server.port === '' ? (isTls ? 443 : 80) : server.port,
          method: exchange.method,
          path: prefix + exchange.path,
          headers: { ...credentials.headers, ...exchange.headers },
          agent: credentials.proxyAgent ?? poolsFor(credentials.tls)[exchange.pool],
        });
        const onAbort = () => request.destroy(signal.reason instanceof Error ? signal.reason : undefined);
        signal.addEventListener('abort', onAbort, { once: true });
        request.once('socket', (socket) => socket.setKeepAlive(true, tcpKeepAliveMs));
        request.once('response', resolve);
        request.once('close', () => signal.removeEventListener('abort', onAbort));
        // Stays for the life of the request: an error after the response must find a listener too.
        request.on('error', (error) =>
          reject(signal.aborted ? signal.reason : new ConnectionError(error, request.reusedSocket)),
        );
        request.end(exchange.body);
        if (signal.aborted) onAbort();
      }),
    close() {
      pools?.requests.destroy();
      pools?.watches.destroy();
      pools = undefined;
    },
  };
}

/** The connection failed before the head of a response. `reused`: it was an idle one that the server had closed. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  readonly reused: boolean;

  constructor(cause: unknown, reused: boolean) {
    super(unreachable(cause).message, { cause });
    this.reused = reused;
  }
}

function openPool(isTls: boolean, tls: TlsMaterial, maxSockets: number): http.Agent {
  // Last in, first out: a burst opens several connections, a quiet time needs one and lets the others go.
  const options = { keepAlive: true, maxSockets, timeout: idleConnectionMs, scheduling: 'lifo' } as const;
  return isTls ? new https.Agent({ ...options, ...tls }) : new http.Agent(options);
}

function closeIdle(pools: Pools | undefined): void {
  for (const agent of pools === undefined ? [] : [pools.requests, pools.watches]) {
    for (const sockets of Object.values(agent.freeSockets))
      for (const socket of sockets ?? []) socket.destroy();
  }
}

function tlsKey(tls: TlsMaterial): string {
  const hash = createHash('sha256');
  for (const [name, value] of Object.entries(tls)) hash.update(`${name}=${String(value)};`);
  return hash.digest('hex');
}
