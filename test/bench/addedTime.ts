// What a statement costs more through the RoutedPool than through pg.Pool, one statement after the other. The pools take turns, and each
// round is compared in itself. Once without a server, where the thread does what the driver and the router do and nothing else, and
// once with PostgreSQL on loopback, which shares the processors. Run by `make bench`; docs/benchmarks.md quotes it.

import assert from 'node:assert/strict';
import { Pool } from 'pg';
import { RoutedPool } from '../../src/router/index.ts';
import { AnsweringStream } from './answeringStream.ts';
import {
  itemCount,
  openPlainPool,
  openRoutedPool,
  readSql,
  startBenchedPostgres,
  writeSql,
} from './benchedPostgres.ts';
import { differences, ratios, spread } from './spread.ts';

/** A turn is a few milliseconds: short enough that both turns of a round see one mood of the machine. */
interface Plan {
  readonly rounds: number;
  readonly warmUps: number;
  readonly statementsPerTurn: number;
}

const withoutServer: Plan = { rounds: 101, warmUps: 20, statementsPerTurn: 300 };
const onLoopback: Plan = { rounds: 101, warmUps: 15, statementsPerTurn: 50 };

interface Queries {
  query(sql: string, values: unknown[]): Promise<unknown>;
}

interface Turn {
  readonly threadUs: number;
  readonly clockUs: number;
}

async function turn(pool: Queries, sql: string, count: number): Promise<Turn> {
  const startedMs = performance.now();
  const before = process.threadCpuUsage();
  for (let index = 0; index < count; index += 1) await pool.query(sql, [1 + (index % itemCount)]);
  const { user, system } = process.threadCpuUsage(before);
  return { threadUs: (user + system) / count, clockUs: ((performance.now() - startedMs) * 1_000) / count };
}

async function compare(label: string, plan: Plan, sql: string, plain: Queries, routed: Queries) {
  const turns: Record<'plain' | 'routed', Turn[]> = { plain: [], routed: [] };
  const takePlain = async () => turns.plain.push(await turn(plain, sql, plan.statementsPerTurn));
  const takeRouted = async () => turns.routed.push(await turn(routed, sql, plan.statementsPerTurn));
  for (let round = -plan.warmUps; round < plan.rounds; round += 1) {
    if (round === 0) turns.plain = [];
    if (round === 0) turns.routed = [];
    // Who comes second finds the caches of the processor filled.
    for (const take of round % 2 === 0 ? [takePlain, takeRouted] : [takeRouted, takePlain]) await take();
  }
  console.log(`${label}: ${plan.rounds} rounds of ${plan.statementsPerTurn} statements`);
  for (const [name, what] of [
    ['thread', 'threadUs'],
    ['clock', 'clockUs'],
  ] as const) {
    const own = turns.routed.map((it) => it[what]);
    const peer = turns.plain.map((it) => it[what]);
    const added = spread(differences(own, peer));
    console.log(
      `  ${name}: pg.Pool ${spread(peer)} µs, added ${added} µs, ratio ${spread(ratios(own, peer))}`,
    );
  }
}

/** Nobody may have been measured on the way to somewhere else. */
function assertCounts(routed: RoutedPool, { rounds, warmUps, statementsPerTurn }: Plan): void {
  const { reads, writes, fallbacks, retries } = routed.status().counters;
  const expected = (rounds + warmUps) * statementsPerTurn;
  const counts = { reads, writes, fallbacks, retries };
  assert.deepEqual(counts, { reads: expected, writes: expected, fallbacks: 0, retries: 0 });
}

async function compareWithoutServer(): Promise<void> {
  const stream = () => new AnsweringStream() as never;
  const config = { host: 'primary', user: 'bench', password: 'none', database: 'bench', max: 1, stream };
  const plain = new Pool(config);
  const routed = new RoutedPool({ ...config, replicaManager: { replicas: [{ host: 'replica' }] } });
  await compare('read, no server', withoutServer, readSql, plain, routed);
  await compare('write, no server', withoutServer, writeSql, plain, routed);
  assertCounts(routed, withoutServer);
  await Promise.all([plain.end(), routed.end()]);
}

async function compareOnLoopback(): Promise<void> {
  await using postgres = await startBenchedPostgres(1);
  const [replica] = postgres.replicas;
  assert(replica !== undefined);
  const plainPrimary = openPlainPool(postgres, postgres.primary, 1);
  const plainReplica = openPlainPool(postgres, replica, 1);
  const routed = openRoutedPool(postgres, [postgres.primary, replica], 1);
  await compare('read on a replica', onLoopback, readSql, plainReplica, routed);
  await compare('write on the primary', onLoopback, writeSql, plainPrimary, routed);
  assertCounts(routed, onLoopback);
  await Promise.all([plainPrimary.end(), plainReplica.end(), routed.end()]);
}

console.log('in turn, min / median / max');
await compareWithoutServer();
await compareOnLoopback();
