// HTTP for the kubelet and Prometheus: /metrics, /livez, /readyz. Tells nothing that is secret.

import * as http from 'node:http';

export interface OperatorServerDeps {
  readonly port: number;
  readonly metrics: () => Promise<string>;
  /** One sentence when the process had better be started anew; undefined when it is well. */
  readonly trouble: () => string | undefined;
  /** One sentence while it cannot do its work; undefined when it can. */
  readonly unready: () => string | undefined;
}

/** Serves until the signal is aborted. Throws when the port is taken. */
export async function runOperatorServer(deps: OperatorServerDeps, signal: AbortSignal): Promise<void> {
  const server = http.createServer((request, response) => {
    answer(request.url ?? '/', deps).then(
      ({ status, body, type = 'text/plain' }) =>
        response.writeHead(status, { 'content-type': type }).end(`${body}\n`),
      (error: unknown) => response.writeHead(500).end(`${String(error)}\n`),
    );
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.once('close', resolve);
  const onAbort = () => {
    server.close();
    server.closeAllConnections();
  };
  signal.addEventListener('abort', onAbort, { once: true });
  server.listen(deps.port);
  if (signal.aborted) onAbort();
  await promise;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

async function answer(url: string, deps: OperatorServerDeps): Promise<Answer> {
  switch (url.split('?', 1).join()) {
    case '/metrics':
      return { status: 200, body: await deps.metrics(), type: 'text/plain; version=0.0.4' };
    case '/livez': {
      const trouble = deps.trouble();
      return trouble === undefined ? { status: 200, body: 'ok' } : { status: 500, body: trouble };
    }
    case '/readyz': {
      const reason = deps.unready();
      return reason === undefined ? { status: 200, body: 'ok' } : { status: 503, body: reason };
    }
    default:
      return { status: 404, body: 'there is /metrics, /livez and /readyz' };
  }
}
