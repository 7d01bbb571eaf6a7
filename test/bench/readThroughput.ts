// Reads per second with no, one and two replicas, beside pg.Pool on the primary alone: the same clients, the same connections to each
// server. All servers share the processors of one machine here, so a replica adds none of those. What it adds are connections, and
// with them room for what waits: `short` is bound by the processors, `waiting` waits in the server as if for a disk. Run by
// `make bench`; docs/benchmarks.md quotes it.

import assert from 'node:assert/strict';
import {
  itemCount,
  openPlainPool,
  openRoutedPool,
  readSql,
  startBenchedPostgres,
} from './benchedPostgres.ts';
import { ratios, spread } from './spread.ts';

const rounds = 7;
const turnMs = 400;
const clients = 24;
const connectionsPerServer = 4;
const workloads = {
  short: readSql,
  waiting: 'SELECT id, name, price, pg_sleep(0.02) FROM item WHERE id = $1',
} as const;

interface Queries {
  query(sql: string, values: unknown[]): Promise<unknown>;
}

/** Reads per second. */
async function turn(pool: Queries, sql: string): Promise<number> {
  const startedMs = performance.now();
  let count = 0;
  const client = async () => {
    while (performance.now() - startedMs < turnMs) {
      await pool.query(sql, [1 + (count % itemCount)]);
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return (count * 1_000) / (performance.now() - startedMs);
}

await using postgres = await startBenchedPostgres(2);
const { primary, replicas } = postgres;
const [first, second] = replicas;
assert(first !== undefined && second !== undefined);
const plain = openPlainPool(postgres, primary, connectionsPerServer);
const routed = [
  openRoutedPool(postgres, [primary], connectionsPerServer),
  openRoutedPool(postgres, [primary, first], connectionsPerServer),
  openRoutedPool(postgres, [primary, first, second], connectionsPerServer),
];
const pools: Readonly<Record<string, Queries>> = {
  'pg.Pool on the primary': plain,
  ...Object.fromEntries(routed.map((pool, count) => [`RoutedPool, ${count} replicas`, pool])),
};

console.log(
  `${clients} clients, ${connectionsPerServer} connections per server, ${rounds} rounds of ${turnMs} ms, min / median / max`,
);
for (const [label, sql] of Object.entries(workloads)) {
  const rates = new Map<string, number[]>(Object.keys(pools).map((name) => [name, []]));
  for (let round = -1; round < rounds; round += 1) {
    for (const [name, pool] of Object.entries(pools)) {
      const rate = await turn(pool, sql);
      if (round >= 0) rates.get(name)?.push(rate);
    }
  }
  const peer = rates.get('pg.Pool on the primary') ?? [];
  console.log(label);
  for (const [name, own] of rates) {
    console.log(`  ${name}: ${spread(own)} reads/s, ratio ${spread(ratios(own, peer))}`);
  }
}
for (const [count, pool] of routed.entries()) {
  const { fallbacks, retries } = pool.status().counters;
  assert.deepEqual({ count, fallbacks, retries }, { count, fallbacks: 0, retries: 0 });
}
await Promise.all([plain.end(), ...routed.map((pool) => pool.end())]);
