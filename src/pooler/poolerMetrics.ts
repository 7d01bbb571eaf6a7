// PgBouncer's own numbers for Prometheus. They are asked for when somebody scrapes, and kept nowhere.
import { Counter, Gauge, Registry } from 'prom-client';
import type { PoolerKind } from '../api/names.ts';
import type { AdminConsole, ConsoleRow } from './adminConsole.ts';

/** Returns the text of `/metrics`; it rejects when PgBouncer does not answer. */
export function poolerMetrics(kind: PoolerKind, console: AdminConsole): () => Promise<string> {
  const registry = new Registry();
  registry.setDefaultLabels({ pooler: kind });
  const registers = [registry];
  const prefix = 'replica_manager_pooler';
  const clients = new Gauge({
    name: `${prefix}_clients`,
    help: 'Client connections by state: active (holds a server connection or is idle) or waiting for a server connection',
    labelNames: ['database', 'user', 'state'],
    registers,
  });
  const servers = new Gauge({
    name: `${prefix}_servers`,
    help: 'Server connections by state',
    labelNames: ['database', 'user', 'state'],
    registers,
  });
  const longestWait = new Gauge({
    name: `${prefix}_longest_wait_seconds`,
    help: 'How long the client that has waited longest for a server connection has waited',
    labelNames: ['database', 'user'],
    registers,
  });
  const totals = totalsOf(prefix, registers);
  return async () => {
    const pools = await console.run('SHOW POOLS');
    const stats = await console.run('SHOW STATS');
    registry.resetMetrics();
    for (const row of pools.filter(isUsers)) {
      const pool = { database: String(row['database']), user: String(row['user']) };
      for (const state of ['active', 'waiting']) clients.set({ ...pool, state }, number(row, `cl_${state}`));
      for (const state of ['active', 'idle', 'used', 'tested', 'login']) {
        servers.set({ ...pool, state }, number(row, `sv_${state}`));
      }
      longestWait.set(pool, number(row, 'maxwait') + number(row, 'maxwait_us') / 1e6);
    }
    for (const row of stats.filter(isUsers)) {
      for (const { counter, column, factor } of totals) {
        counter.inc({ database: String(row['database']) }, number(row, column) * factor);
      }
    }
    return registry.metrics();
  };
}

function totalsOf(prefix: string, registers: Registry[]) {
  const total = (name: string, help: string, column: string, factor = 1) => ({
    counter: new Counter({ name: `${prefix}_${name}`, help, labelNames: ['database'], registers }),
    column,
    factor,
  });
  return [
    total('transactions_total', 'Transactions', 'total_xact_count'),
    total('queries_total', 'Queries', 'total_query_count'),
    total('query_seconds_total', 'Time that servers spent on queries', 'total_query_time', 1e-6),
    total('wait_seconds_total', 'Time that clients waited for a server connection', 'total_wait_time', 1e-6),
    total('received_bytes_total', 'Bytes from clients', 'total_received'),
    total('sent_bytes_total', 'Bytes to clients', 'total_sent'),
  ];
}

const isUsers = (row: ConsoleRow): boolean => row['database'] !== 'pgbouncer';

const number = (row: ConsoleRow, column: string): number => Number(row[column] ?? 0);
