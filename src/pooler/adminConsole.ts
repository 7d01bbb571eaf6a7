// PgBouncer's admin console over its unix socket, as the user `pgbouncer`, which it accepts from its own UID only.
//
// Invariant: one connection at a time. It is opened when first asked and again after any failure, and the next command
// is sent when the one before is answered. None is sent after `close`, also none that was waiting for the connection.
import pg from 'pg';

export interface AdminConsoleOptions {
  readonly runDir: string;
  readonly port: number;
}

export type ConsoleRow = Readonly<Record<string, unknown>>;

/** The console answers from memory; when it takes longer PgBouncer is stuck. */
const answerTimeoutMs = 2_000;

export class AdminConsole {
  readonly #options: AdminConsoleOptions;
  #client: pg.Client | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: AdminConsoleOptions) {
    this.#options = options;
  }

  /** Runs one command, for example `SHOW POOLS`. @throws Error when PgBouncer does not answer in time or refuses */
  run(command: string, timeoutMs: number = answerTimeoutMs): Promise<readonly ConsoleRow[]> {
    const answer = this.#last.then(() => this.#send(command, timeoutMs));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.#isClosed = true;
    await client?.end().catch(() => {});
  }

  async #send(command: string, timeoutMs: number): Promise<readonly ConsoleRow[]> {
    const client = this.#client ?? (await this.#connect());
    if (this.#isClosed) {
      client.end().catch(() => {});
      throw new Error(`${command} was not sent, the console has been closed`);
    }
    this.#client = client;
    try {
      // Without values, pg uses the simple protocol, the only one that the console speaks.
      const query: pg.QueryConfig & { query_timeout: number } = { text: command, query_timeout: timeoutMs };
      const { rows } = await client.query<Record<string, unknown>>(query);
      return rows;
    } catch (error) {
      if (this.#client === client) this.#client = undefined;
      // The answer of a command that was given up would be taken for the next one's.
      client.end().catch(() => {});
      throw new Error(`${command} failed on the admin console of pgbouncer`, { cause: error });
    }
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      host: this.#options.runDir,
      port: this.#options.port,
      user: 'pgbouncer',
      database: 'pgbouncer',
      ssl: false,
      connectionTimeoutMillis: answerTimeoutMs,
    });
    client.on('error', () => {
      if (this.#client === client) this.#client = undefined;
    });
    try {
      await client.connect();
    } catch (error) {
      client.end().catch(() => {});
      throw new Error('the admin console of pgbouncer cannot be reached', { cause: error });
    }
    return client;
  }
}
