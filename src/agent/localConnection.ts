// The agent's connection to its own server: over the socket, as the superuser, by peer authentication.

import pg from 'pg';
import { databaseRoles } from '../api/names.ts';
import type { AgentSettings } from './agentSettings.ts';

/** A healthy server answers within milliseconds; the agent's cycle must not wait longer than it is long. */
const queryTimeoutMs = 2_000;
const connectTimeoutMs = 1_000;

export interface LocalSession {
  readonly database?: string;
  /** How long one statement may take. */
  readonly timeoutMs?: number;
}

/** What the topology's settings or those of the superuser say otherwise must not keep the agent from its work. */
const sessionOptions = [
  'search_path=pg_catalog',
  'synchronous_commit=local',
  'log_statement=none',
  'default_transaction_read_only=off',
  // Somebody's lock is no reason to stand still.
  'lock_timeout=1s',
]
  .map((it) => `-c ${it}`)
  .join(' ');

/**
 * Opens a session of its own.
 *
 * It commits without waiting for replicas: roles and slots must be mended while none is there. The search
 * path holds the system's own objects only, so that nobody's function is called with the superuser's rights.
 */
export async function connectLocally(
  settings: AgentSettings,
  session: LocalSession = {},
): Promise<pg.Client> {
  const timeoutMs = session.timeoutMs ?? queryTimeoutMs;
  const client = new pg.Client({
    host: settings.places.socketDir,
    port: settings.postgresPort,
    user: databaseRoles.superuser,
    database: session.database ?? 'postgres',
    application_name: 'replica-manager-agent',
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: timeoutMs,
    statement_timeout: timeoutMs,
    options: sessionOptions,
    ssl: false,
  });
  // A connection that breaks while idle is noticed by the next query.
  client.on('error', () => {});
  await client.connect();
  return client;
}

export type Statement = (
  sql: string,
  values?: readonly unknown[],
) => Promise<{ rows: Record<string, unknown>[] }>;

/** Keeps one session open for the cycles, and opens a new one after any failure. */
export class LocalConnection {
  readonly #settings: AgentSettings;
  #client: pg.Client | undefined;

  constructor(settings: AgentSettings) {
    this.#settings = settings;
  }

  readonly query: Statement = async (sql, values) => {
    const client = this.#client ?? (await connectLocally(this.#settings));
    this.#client = client;
    try {
      return await client.query(sql, values === undefined ? undefined : [...values]);
    } catch (error) {
      this.close();
      throw error;
    }
  };

  close(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.end().catch(() => {});
  }
}

/** Runs `work` in a session that is closed afterwards. */
export async function withSession<T>(
  settings: AgentSettings,
  session: LocalSession,
  work: (query: Statement) => Promise<T>,
): Promise<T> {
  const client = await connectLocally(settings, session);
  try {
    return await work((sql, values) => client.query(sql, values === undefined ? undefined : [...values]));
  } finally {
    await client.end().catch(() => {});
  }
}
