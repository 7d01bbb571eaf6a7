// One transaction as a function: begun before it, committed after it, rolled back when it throws.

import type { RoutedClient } from './routedClient.ts';
import { RouterError } from './routerError.ts';

export interface TransactionOptions {
  /** It may then run on a replica, as a read may. Default: false */
  readonly readOnly?: boolean | undefined;
  /** Serializable transactions run on the primary, also those that only read. Default: the server's */
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable' | undefined;
}

const isolations = ['read committed', 'repeatable read', 'serializable'];

/** The client is released in any case. @throws what the function throws; RouterError */
export async function runTransaction<T>(
  client: RoutedClient,
  run: (client: RoutedClient) => Promise<T>,
  options: TransactionOptions,
): Promise<T> {
  try {
    await client.query(beginSql(options));
    const result = await run(client);
    const { command } = (await client.query('COMMIT')) as { command: string };
    if (command === 'COMMIT') return result;
    throw new RouterError(
      'RPG_TRANSACTION_ABORTED',
      'the transaction was rolled back, because a statement in it had failed and its error was not let out',
    );
  } catch (error) {
    if (client.getTransactionStatus() !== 'I') await rollBack(client);
    throw error;
  } finally {
    client.release();
  }
}

function beginSql({ readOnly = false, isolation }: TransactionOptions): string {
  if (isolation !== undefined && !isolations.includes(isolation)) {
    throw new RouterError(
      'RPG_CONFIG_INVALID',
      `isolation must be one of ${isolations.join(', ')}, not ${isolation}`,
    );
  }
  const level = isolation === undefined ? '' : ` ISOLATION LEVEL ${isolation.toUpperCase()}`;
  return `BEGIN${level}${readOnly ? ' READ ONLY' : ''}`;
}

/** The connection of a transaction that cannot be rolled back is closed by the release, which rolls it back. */
async function rollBack(client: RoutedClient): Promise<void> {
  try {
    await client.query('ROLLBACK');
  } catch {}
}
