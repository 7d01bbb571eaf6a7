// From the death of the primary to the first write that the promoted replica acknowledges: through the pool, which nobody tells
// anything and which finds out by asking the instances, beside a client that knows beforehand where the next primary is and
// tries there all the time. What the pool adds is the difference. Run by `make bench`; docs/benchmarks.md quotes it.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { openPlainPool, openRoutedPool, startBenchedPostgres, writeSql } from './benchedPostgres.ts';
import { differences, ratios, spread } from './spread.ts';

const runs = 5;
/** How often each of them tries again; half of it is what the figures are blurred by. */
const tryEveryMs = 5;
const giveUpMs = 30_000;

interface Queries {
  query(sql: string, values: unknown[]): Promise<unknown>;
}

/** Milliseconds until a write is acknowledged. */
async function firstWrite(pool: Queries): Promise<number> {
  const startedMs = performance.now();
  for (;;) {
    try {
      await pool.query(writeSql, [1]);
      return performance.now() - startedMs;
    } catch (error) {
      if (performance.now() - startedMs > giveUpMs) throw error;
      await sleep(tryEveryMs);
    }
  }
}

async function run(): Promise<{ readonly routedMs: number; readonly knowingMs: number }> {
  await using postgres = await startBenchedPostgres(2);
  const { primary, replicas } = postgres;
  const [next, other] = replicas;
  assert(next !== undefined && other !== undefined);
  const routed = openRoutedPool(postgres, [primary, next, other], 2);
  const knowing = openPlainPool(postgres, next, 2);
  knowing.on('error', () => {});
  // An application at work: its connections are open and its pool has been asked for something lately.
  await routed.query(writeSql, [1]);
  await postgres.caughtUp();
  await knowing.query('SELECT 1');
  await primary.stop('immediate');
  const promoted = next.promote();
  const [routedMs, knowingMs] = await Promise.all([firstWrite(routed), firstWrite(knowing)]);
  await promoted;
  await Promise.all([routed.end(), knowing.end()]);
  return { routedMs, knowingMs };
}

const found: Awaited<ReturnType<typeof run>>[] = [];
for (let count = 0; count < runs; count += 1) found.push(await run());
const own = found.map(({ routedMs }) => routedMs);
const peer = found.map(({ knowingMs }) => knowingMs);
console.log(`${runs} runs, min / median / max`);
console.log(`client that knows the next primary: ${spread(peer)} ms after pg_promote was called`);
console.log(
  `RoutedPool: ${spread(own)} ms, added ${spread(differences(own, peer))} ms, ratio ${spread(ratios(own, peer))}`,
);
