// Real PostgreSQL on loopback with a table to read and write, and the two kinds of pools that are compared on it.

import { Pool, type PoolConfig } from 'pg';
import { RoutedPool } from '../../src/router/index.ts';
import {
  startTemporaryPostgres,
  type TemporaryPostgres,
  type TemporaryServer,
} from '../fixtures/temporaryPostgres.ts';

export const readSql = 'SELECT id, name, price FROM item WHERE id = $1';
export const writeSql = 'UPDATE item SET price = price + 1 WHERE id = $1';
export const itemCount = 1_000;

export async function startBenchedPostgres(replicas: number): Promise<TemporaryPostgres> {
  // What is compared is the way to the server, so the server does not wait for its disk.
  const postgres = await startTemporaryPostgres({ replicas, settings: { synchronous_commit: 'off' } });
  await postgres.primary.query(
    `CREATE TABLE item AS SELECT id, 'item ' || id AS name, id * 10 AS price FROM generate_series(1, ${itemCount}) id`,
  );
  await postgres.primary.query('ALTER TABLE item ADD PRIMARY KEY (id)');
  await postgres.caughtUp();
  return postgres;
}

export function openPlainPool(
  postgres: TemporaryPostgres,
  server: TemporaryServer,
  max: number,
  more: PoolConfig = {},
): Pool {
  return new Pool({ ...configOf(postgres, server, max), ...more });
}

/** The first server is taken for the primary, the others for its replicas. */
export function openRoutedPool(
  postgres: TemporaryPostgres,
  [primary, ...replicas]: readonly [TemporaryServer, ...TemporaryServer[]],
  max: number,
  more: PoolConfig = {},
): RoutedPool {
  return new RoutedPool({
    ...configOf(postgres, primary, max),
    ...more,
    replicaManager: { replicas: replicas.map(({ name, host, port }) => ({ name, host, port })) },
  });
}

function configOf({ user, password }: TemporaryPostgres, { host, port }: TemporaryServer, max: number) {
  return { host, port, user, password, database: 'postgres', max } satisfies PoolConfig;
}
