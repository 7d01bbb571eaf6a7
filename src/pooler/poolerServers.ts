// What the pooler tells about itself: /livez and /readyz over HTTPS for the kubelet, which shows no certificate, and
// /metrics over plain HTTP. Neither tells anything but counts and a word.
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { Server } from 'node:net';
import type { PoolerSecrets } from './poolerSecrets.ts';

export interface PoolerServersOptions {
  readonly probesPort: number;
  readonly metricsPort: number;
  /** Why no traffic should come here; undefined when it may. */
  readonly unreadyReason: () => Promise<string | undefined>;
  readonly metricsText: () => Promise<string>;
}

export interface PoolerServers {
  renewCertificate(secrets: PoolerSecrets): void;
  close(): Promise<void>;
}

/** A request has no body and few headers; whoever is slower holds a connection for nothing. */
const requestTimeoutMs = 5_000;

/** Listens on both ports. @throws Error when one of them is taken */
export async function openPoolerServers(
  options: PoolerServersOptions,
  secrets: PoolerSecrets,
): Promise<PoolerServers> {
  const timeouts = { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs };
  const probes = createHttpsServer({ ...certificateOf(secrets), ...timeouts }, (request, response) => {
    void respond(request, response, {
      '/livez': async () => [200, 'ok\n'],
      '/readyz': async () => readyAnswer(await options.unreadyReason()),
    });
  });
  const metrics = createHttpServer(timeouts, (request, response) => {
    void respond(request, response, { '/metrics': async () => [200, await options.metricsText()] });
  });
  await Promise.all([listen(probes, options.probesPort), listen(metrics, options.metricsPort)]);
  return {
    renewCertificate: (renewed) => renew(probes, renewed),
    close: async () => {
      await Promise.all([probes, metrics].map((server) => server[Symbol.asyncDispose]()));
    },
  };
}

type Answer = readonly [status: number, body: string];

const readyAnswer = (reason: string | undefined): Answer =>
  reason === undefined ? [200, 'ok\n'] : [503, `${reason}\n`];

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  routes: Readonly<Record<string, () => Promise<Answer>>>,
): Promise<void> {
  const route = request.method === 'GET' ? routes[request.url ?? ''] : undefined;
  // PgBouncer may be between two starts when its numbers are asked for.
  const failed = (): Answer => [503, 'pgbouncer does not answer\n'];
  const [status, body] = route === undefined ? [404, 'not found\n'] : await route().catch(failed);
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body);
}

const certificateOf = ({ certificate, key }: PoolerSecrets) =>
  ({ cert: certificate, key, minVersion: 'TLSv1.3' }) as const;

const renew = (server: HttpsServer, secrets: PoolerSecrets): void =>
  server.setSecureContext(certificateOf(secrets));

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
