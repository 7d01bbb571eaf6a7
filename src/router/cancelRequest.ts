// Asks a server to stop the statement of another connection, over a connection of its own.
// https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS

import { type Client, Connection } from 'pg';
import type { Clock } from '../lib/clock.ts';

/** What the driver knows and its types do not tell. */
interface CancellableClient {
  readonly host: string;
  readonly port: number;
  readonly ssl: object | boolean;
  readonly sslNegotiation?: string;
  readonly processID: number | null;
  readonly secretKey: number | null;
}

interface CancelConnection extends Pick<Connection, 'on' | 'once' | 'stream'> {
  connect(port: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
}

/** A server that is well answers at once; one that is not is left to its own timeouts. */
export const cancelTimeoutMs = 5_000;

/** Resolves when the server has taken the request and hung up, when it cannot be reached, or when the time is up. */
export async function sendCancelRequest(client: Client, clock: Clock): Promise<void> {
  const { host, port, ssl, sslNegotiation, processID, secretKey } = client as unknown as CancellableClient;
  if (processID === null || secretKey === null) return;
  const connection = new Connection({
    ssl: ssl as never,
    ...(sslNegotiation === undefined ? {} : { sslNegotiation }),
  }) as unknown as CancelConnection;
  const closed = Promise.withResolvers<void>();
  const send = () => connection.cancel(processID, secretKey);
  connection.on('error', () => connection.stream.destroy());
  connection.once('end', () => closed.resolve());
  if (ssl === false) connection.once('connect', send);
  else {
    if (sslNegotiation !== 'direct') connection.once('connect', () => connection.requestSsl());
    // Over TLS as the connection itself: who reads the key may stop the statements of that session.
    connection.once('sslconnect', send);
  }
  if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
  else connection.connect(port, host);
  const answered = new AbortController();
  const patience = clock.sleep(cancelTimeoutMs, answered.signal).catch(() => {});
  await Promise.race([closed.promise, patience]);
  answered.abort();
  connection.stream.destroy();
}
