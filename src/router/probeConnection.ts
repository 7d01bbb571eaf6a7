// The one connection by which an instance is probed. Never from a pool: a pool that is exhausted would make its server look dead.
//
// Invariant: `close` destroys the socket at once. A peer that is gone without a word acknowledges no farewell, and the kernel
// would go on sending for a quarter of an hour.

import { Socket } from 'node:net';
import { Client, type ClientConfig } from 'pg';
import type { Query } from '../postgres/query.ts';
import type { Credentials } from './sources/credentialsDirectory.ts';

export interface ProbeTarget {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly credentials: Credentials;
}

export interface ProbeConnection {
  readonly query: Query;
  /** Called once when the connection is gone, whoever ended it. */
  onClose(listener: () => void): void;
  close(): void;
}

/** Connects and logs in. Aborting the signal destroys the socket, and the promise rejects. */
export type ConnectProbe = (target: ProbeTarget, signal: AbortSignal) => Promise<ProbeConnection>;

export interface ProbeConnectionSettings {
  readonly tls: 'verify-full' | 'off';
  readonly applicationName: string;
  /** How to connect, where that is not the credentials' to say. */
  readonly configOf?: ((target: ProbeTarget) => ClientConfig) | undefined;
}

export function probeConnections(settings: ProbeConnectionSettings): ConnectProbe {
  return async (target, signal) => {
    signal.throwIfAborted();
    const socket = new Socket();
    // A script that has done its work ends although nobody has ended the prober.
    socket.unref();
    const client = new Client({
      host: target.host,
      port: target.port,
      user: target.credentials.username,
      password: target.credentials.password,
      database: target.credentials.database,
      ssl: settings.tls === 'off' ? false : { ca: target.credentials.ca, rejectUnauthorized: true },
      ...settings.configOf?.(target),
      application_name: `${settings.applicationName} probe`,
      // Nothing else of the session is set: PgBouncer refuses parameters that it does not know.
      stream: () => socket,
    });
    // Without a listener the loss of an idle connection would end the process. `onClose` tells it.
    client.on('error', () => {});
    const onAbort = () => socket.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await client.connect();
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    return {
      query: (sql) => client.query(sql),
      onClose: (listener) => {
        if (socket.destroyed) listener();
        else socket.once('close', listener);
      },
      close: () => socket.destroy(),
    };
  };
}
