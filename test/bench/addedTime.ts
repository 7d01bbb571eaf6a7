// What a statement costs more through the RoutedPool than through pg.Pool, one statement after the other. The pools take turns, and each
// round is compared in itself. Once without a server, where the thread does what the driver and the router do and nothing else, and
// once with PostgreSQL on loopback, which shares the processors. Run by `make bench`; docs/benchmarks.md quotes it.

import assert from 'node:assert/strict';
import type { RoutedPool } from '../../src/router/index.ts';
import type { TemporaryPostgres, TemporaryServer } from '../fixtures/temporaryPostgres.ts';
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

/**
 * A turn is some milliseconds: short enough that both of a pair see one mood of the machine. What the kernel says of the time of a
 * thread comes in steps of 4 ms on some machines, so a round adds up many turns.
 */
interface Plan {
  readonly rounds: number;
  readonly pairsPerRound: number;
  readonly statementsPerTurn: number;
}

const withoutServer: Plan = { rounds: 9, pairsPerRound: 20, statementsPerTurn: 300 };
const onLoopback: Plan = { rounds: 9, pairsPerRound: 10, statementsPerTurn: 40 };

interface Queries {
  query(sql: string, values: unknown[]): Promise<unknown>;
}

interface Turn {
  threadUs: number;
  clockUs: number;
}

/** Adds a turn to what the pool has taken so far. */
async function take(pool: Queries, sql: string, count: number, sum: Turn): Promise<void> {
  const startedMs = performance.now();
  const before = process.threadCpuUsage();
  for (let index = 0; index < count; index += 1) await pool.query(sql, [1 + (index % itemCount)]);
  const { user, system } = process.threadCpuUsage(before);
  sum.threadUs += user + system;
  sum.clockUs += (performance.now() - startedMs) * 1_000;
}

async function compare(label: string, plan: Plan, sql: string, plain: Queries, routed: Queries) {
  const { rounds, pairsPerRound, statementsPerTurn } = plan;
  const own: Turn[] = [];
  const peer: Turn[] = [];
  for (let round = -1; round < rounds; round += 1) {
    const sums = { plain: { threadUs: 0, clockUs: 0 }, routed: { threadUs: 0, clockUs: 0 } };
    const takePlain = () => take(plain, sql, statementsPerTurn, sums.plain);
    const takeRouted = () => take(routed, sql, statementsPerTurn, sums.routed);
    for (let pair = 0; pair < pairsPerRound; pair += 1) {
      // Who comes second finds the caches of the processor filled.
      for (const next of pair % 2 === 0 ? [takePlain, takeRouted] : [takeRouted, takePlain]) await next();
    }
    // The first round warms up.
    if (round < 0) continue;
    own.push(sums.routed);
    peer.push(sums.plain);
  }
  console.log(`${label}: ${rounds} rounds of ${pairsPerRound * statementsPerTurn} statements`);
  for (const what of ['threadUs', 'clockUs'] as const) {
    const [routedUs, plainUs] = [own, peer].map((turns) =>
      turns.map((it) => it[what] / pairsPerRound / statementsPerTurn),
    ) as [number[], number[]];
    const added = `added ${spread(differences(routedUs, plainUs))} µs`;
    const name = what === 'threadUs' ? 'thread' : 'clock';
    console.log(
      `  ${name}: pg.Pool ${spread(plainUs)} µs, ${added}, ratio ${spread(ratios(routedUs, plainUs))}`,
    );
  }
}

/** Nobody may have been measured on the way to somewhere else. */
function assertCounts(routed: RoutedPool, { rounds, pairsPerRound, statementsPerTurn }: Plan): void {
  const { reads, writes, fallbacks, retries } = routed.status().counters;
  const expected = (rounds + 1) * pairsPerRound * statementsPerTurn;
  const counts = { reads, writes, fallbacks, retries };
  assert.deepEqual(counts, { reads: expected, writes: expected, fallbacks: 0, retries: 0 });
}

/** The servers are there for the probes only, so that the pool takes the replica for one that serves. */
async function compareWithoutServer(postgres: TemporaryPostgres, replica: TemporaryServer): Promise<void> {
  const stream = () => new AnsweringStream() as never;
  const plain = openPlainPool(postgres, replica, 1, { stream });
  const routed = openRoutedPool(postgres, [postgres.primary, replica], 1, { stream });
  await compare('read, no server', withoutServer, readSql, plain, routed);
  await compare('write, no server', withoutServer, writeSql, plain, routed);
  assertCounts(routed, withoutServer);
  await Promise.all([plain.end(), routed.end()]);
}

async function compareOnLoopback(postgres: TemporaryPostgres, replica: TemporaryServer): Promise<void> {
  const plainPrimary = openPlainPool(postgres, postgres.primary, 1);
  const plainReplica = openPlainPool(postgres, replica, 1);
  const routed = openRoutedPool(postgres, [postgres.primary, replica], 1);
  await compare('read on a replica', onLoopback, readSql, plainReplica, routed);
  await compare('write on the primary', onLoopback, writeSql, plainPrimary, routed);
  assertCounts(routed, onLoopback);
  await Promise.all([plainPrimary.end(), plainReplica.end(), routed.end()]);
}

await using postgres = await startBenchedPostgres(1);
const [replica] = postgres.replicas;
assert(replica !== undefined);
console.log('in turn, min / median / max');
await compareWithoutServer(postgres, replica);
await compareOnLoopback(postgres, replica);
