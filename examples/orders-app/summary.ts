import { createServer, type Server } from 'node:http';
import { replicaManager } from 'replica-manager';
import type { Counts } from './counts.ts';

/** `/` shows the sums and what the library knows; `/healthz` says that this process runs. */
export function serveSummary(port: number, counts: Counts): Server {
  const startedAt = new Date();
  const server = createServer((request, response) => {
    if (request.url === '/healthz') {
      response.end('ok\n');
    } else if (request.url === '/') {
      const summary = { startedAt, ...counts.sums(), routing: replicaManager.status() };
      response.setHeader('content-type', 'application/json');
      response.end(`${JSON.stringify(summary, null, 2)}\n`);
    } else {
      response.statusCode = 404;
      response.end('try / or /healthz\n');
    }
  });
  // A port that is taken is no reason to take no orders.
  server.on('error', (error) => console.error(`no summary on port ${port}: ${error.message}`));
  return server.listen(port);
}
