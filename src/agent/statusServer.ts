// What the agent tells others, over TLS on port 8008.
//
// Invariant: without a certificate of the topology's CA nobody learns more than one word. The kubelet, which
// has none, asks `/livez` and `/readyz`; everything else demands one.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { AgentStatus } from '../api/agentStatus.ts';
import type { CertificateFiles } from './certificateFiles.ts';

export interface StatusSource {
  status(): AgentStatus;
  /** The cycle goes round. */
  isLive(): boolean;
  /** PostgreSQL accepts connections. */
  isReady(): boolean;
}

/** Probes and peers answer at once; who does not is not worth a socket. */
const requestTimeoutMs = 5_000;

export class StatusServer {
  readonly #server: Server;
  #digest: string;

  constructor(certificate: CertificateFiles, source: StatusSource) {
    this.#digest = certificate.digest;
    this.#server = createServer(
      {
        ...contextOf(certificate),
        requestCert: true,
        rejectUnauthorized: false,
        requestTimeout: requestTimeoutMs,
        headersTimeout: requestTimeoutMs,
      },
      (request, response) => answer(request, response, source),
    );
    this.#server.on('tlsClientError', () => {});
  }

  /** Resolves when the port is open. */
  listen(port: number, host?: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  /** The port that is open, which the system chose when 0 was asked for. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Shows a renewed certificate from the next connection on. */
  renew(certificate: CertificateFiles): void {
    if (certificate.digest === this.#digest) return;
    this.#server.setSecureContext(contextOf(certificate));
    this.#digest = certificate.digest;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

function contextOf({ cert, key, ca }: CertificateFiles) {
  return { cert, key, ca, minVersion: 'TLSv1.2' } as const;
}

interface Answer {
  readonly status: number;
  readonly type: 'text/plain' | 'application/json';
  readonly body: string;
}

function answer(request: IncomingMessage, response: ServerResponse, source: StatusSource): void {
  const { status, type, body } = answerOf(request, source);
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function answerOf(request: IncomingMessage, source: StatusSource): Answer {
  const path = (request.url ?? '/').split('?')[0];
  if (path === '/livez') return word(source.isLive(), 'the cycle stands still');
  if (path === '/readyz') return word(source.isReady(), 'postgres is not ready');
  if (!(request.socket as TLSSocket).authorized)
    return text(401, 'a client certificate of this topology is needed');
  if (path !== '/status' || request.method !== 'GET') return text(404, 'not found');
  return { status: 200, type: 'application/json', body: `${JSON.stringify(source.status())}\n` };
}

function word(good: boolean, otherwise: string): Answer {
  return good ? text(200, 'ok') : text(503, otherwise);
}

function text(status: number, body: string): Answer {
  return { status, type: 'text/plain', body: `${body}\n` };
}
