import { randomUUID } from 'node:crypto';
import { replicaManager, runInScope } from 'replica-manager';

export async function createTable(): Promise<void> {
  await replicaManager.getWriteDatabase().exec(`
    CREATE TABLE IF NOT EXISTS orders (
      id uuid PRIMARY KEY,
      item text NOT NULL,
      quantity integer NOT NULL,
      placed_at timestamptz NOT NULL DEFAULT now()
    )`);
  await replicaManager
    .getWriteDatabase()
    .exec('CREATE INDEX IF NOT EXISTS orders_by_time ON orders (placed_at)');
}

const items = ['tea', 'coffee', 'bread', 'honey'];

/** The application chooses the id, so that an order whose outcome is unknown could be sent again safely. */
export async function addOrder(): Promise<void> {
  const item = items[Math.floor(Math.random() * items.length)];
  await replicaManager.routeQuery(
    'INSERT',
    'INSERT INTO orders (id, item, quantity) VALUES ($1, $2, $3) RETURNING placed_at',
    [randomUUID(), item, 1 + Math.floor(Math.random() * 5)],
  );
}

// Which server answered is only asked to show it; an application has no need to know.
const newestOrderSql = `
  SELECT coalesce(nullif(current_setting('cluster_name', true), ''), host(inet_server_addr()), 'local') AS server,
         (SELECT item FROM orders ORDER BY placed_at DESC LIMIT 1) AS item`;

/** Resolves with the name of the server that answered. */
export async function newestOrder(): Promise<string> {
  // A visitor of his own, who has written nothing. Without a scope the reads would have to see what this process writes all the
  // time, which the primary alone has at once.
  const { rows } = await runInScope({}, () =>
    replicaManager.routeQuery<{ server: string; item: string | null }>('SELECT', newestOrderSql),
  );
  return rows[0]?.server ?? 'unknown';
}
