// A shop that takes an order ten times a second and shows its orders twice as often. Orders are written to
// the primary, shown from the replicas. Once a second it prints what happened, and it answers
// http://…:8080/ with the sums.
//
// RATE               orders per second, 10 by default; reads are twice as many
// DURATION_SECONDS   how long to run, until it is stopped by default
// PORT               of the summary, 8080 by default
// LOG_FORMAT         `pretty` (default) or `json`
import { setTimeout as sleep } from 'node:timers/promises';
import { replicaManager } from 'replica-manager';
import { Counts } from './counts.ts';
import { addOrder, createTable, newestOrder } from './orders.ts';
import { readSettings } from './settings.ts';
import { serveSummary } from './summary.ts';

const settings = readSettings(process.env);
const counts = new Counts();
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.once('SIGINT', () => stop.abort());
if (settings.durationMs !== null) setTimeout(() => stop.abort(), settings.durationMs).unref();

const server = serveSummary(settings.port, counts);
await untilItWorks(createTable);
await Promise.all([
  every(1000 / settings.rate, () => counts.write(addOrder)),
  // The replicas replay the new table first.
  pause(500).then(() => every(500 / settings.rate, () => counts.read(newestOrder))),
  pause(1000).then(() => every(1000, async () => say(counts.takeLine(replicaManager.status())))),
]);
server.close();
await replicaManager.end();
say({ ...counts.sums(), stopped: true });

/** One after the other, so that an outage does not pile up work: what is late is left out. */
async function every(intervalMs: number, job: () => Promise<void>): Promise<void> {
  let next = performance.now();
  while (!stop.signal.aborted) {
    await job();
    next = Math.max(next + intervalMs, performance.now());
    await pause(Math.max(0, next - performance.now()));
  }
}

async function untilItWorks(job: () => Promise<void>): Promise<void> {
  while (!stop.signal.aborted) {
    try {
      return await job();
    } catch (error) {
      say({ waiting: error instanceof Error ? error.message : String(error) });
      await pause(1000);
    }
  }
}

async function pause(delayMs: number): Promise<void> {
  await sleep(delayMs, undefined, { signal: stop.signal }).catch(() => {});
}

function say(facts: object): void {
  if (settings.logFormat === 'json') {
    console.log(JSON.stringify({ time: new Date(), ...facts }));
    return;
  }
  const words = Object.entries(facts).map(([key, value]) => `${key}=${pretty(value)}`);
  console.log(new Date().toISOString().slice(11, 19), words.join('  '));
}

function pretty(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return (
    Object.entries(value)
      .map(([name, count]) => `${name}:${count}`)
      .join(',') || '-'
  );
}
