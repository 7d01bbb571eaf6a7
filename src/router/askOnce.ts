// One question to one instance, on a connection of its own: those of the pool may all be in use.

import type { Row } from '../postgres/query.ts';
import type { ConnectProbe, ProbeTarget } from './probeConnection.ts';

/** Closes the connection in any case. @throws what connecting or asking throws, or the signal's reason */
export async function askOnce(
  connect: ConnectProbe,
  target: ProbeTarget,
  sql: string,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  const connection = await connect(target, signal);
  const close = () => connection.close();
  signal.addEventListener('abort', close);
  try {
    return (await connection.query(sql)).rows;
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
}
