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

/** How to log in as the pool does. Only what names the server, the login and TLS is taken of it. */
export type ProbeLogin = (target: ProbeTarget) => ClientConfig;

/** The login by the router's own options. */
export function probeLogin(settings: {
  readonly tls: 'verify-full' | 'off';
  readonly applicationName: string;
}): ProbeLogin {
  return ({ host, port, credentials }) => ({
    host,
    port,
    user: credentials.username,
    password: credentials.password,
    database: credentials.database,
    ssl: settings.tls === 'off' ? false : { ca: credentials.ca, rejectUnauthorized: true },
    application_name: settings.applicationName,
  });
}

export function probeConnections(loginOf: ProbeLogin): ConnectProbe {
  return async (target, signal) => {
    signal.throwIfAborted();
    const socket = new Socket();
    // A script that has done its work ends although nobody has ended the prober.
    socket.unref();
    const { host, port, user, password, database, ssl, application_name: name } = loginOf(target);
    const client = new Client({
      host,
      port,
      user,
      password,
      database,
      ssl,
      application_name: `${name ?? 'replica-manager'} probe`,
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
