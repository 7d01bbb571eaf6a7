// One connection to one server, asked again and again. In: where it is and how to log in. Out: what each probe said.
//
// Invariant: a probe ends within twice its timeout (connecting and asking), whatever the network does, and a connection that
// has failed once is never used again.

import pg from 'pg';
import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { type InstanceProbe, probeInstance } from '../postgres/probeInstance.ts';

/** PEM, as in the Secret of the operator's certificate. */
export interface ClientTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface ProbeTarget {
  readonly instance: string;
  /** Changes when the pod does. */
  readonly podUid: string;
  readonly address: string;
  /** The name that its certificate must be for. */
  readonly serverName: string;
  readonly port: number;
  readonly user: string;
  readonly tls: ClientTls;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export type ProbeResult =
  | { readonly kind: 'measured'; readonly probe: InstanceProbe }
  | { readonly kind: 'unreachable'; readonly reason: string; readonly isCertain: boolean };

export interface ProberDeps {
  readonly clock: Clock;
  readonly random: () => number;
  /** Told before a probe starts; what it returns is handed back with the result. */
  readonly onStart: () => unknown;
  readonly onResult: (result: ProbeResult, startedAt: number, context: unknown) => void;
}

/** A server that is away is asked at least every two seconds, or as often as one that is there if that is less. */
const slowestRetryMs = 2_000;

/** Probes until the signal is aborted. Never throws. */
export async function runProber(target: ProbeTarget, deps: ProberDeps, signal: AbortSignal): Promise<void> {
  let client: pg.Client | undefined;
  let failures = 0;
  while (!signal.aborted) {
    const startedAt = deps.clock.now();
    const context = deps.onStart();
    let result: ProbeResult;
    try {
      client ??= await connect(target);
      const connected = client;
      result = { kind: 'measured', probe: await probeInstance((sql) => connected.query(sql)) };
      failures = 0;
    } catch (error) {
      close(client);
      client = undefined;
      failures += 1;
      result = readFailure(error);
    }
    if (signal.aborted) break;
    deps.onResult(result, startedAt, context);
    const tookMs = deps.clock.now() - startedAt;
    await deps.clock
      .sleep(Math.max(0, pauseMs(target, failures, deps.random()) - tookMs), signal)
      .catch(() => {});
  }
  close(client);
}

function pauseMs({ intervalMs }: ProbeTarget, failures: number, random: number): number {
  if (failures === 0) return intervalMs;
  const maxMs = Math.max(intervalMs, slowestRetryMs);
  return backoffMs(failures - 1, { firstMs: Math.min(intervalMs, 500), maxMs, jitter: 0.3 }, random);
}

async function connect(target: ProbeTarget): Promise<pg.Client> {
  const { address, serverName, port, user, tls, timeoutMs } = target;
  const client = new pg.Client({
    host: address,
    port,
    user,
    database: 'postgres',
    application_name: 'replica-manager-operator',
    ssl: { ...tls, servername: serverName, rejectUnauthorized: true, minVersion: 'TLSv1.3' },
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    statement_timeout: timeoutMs,
    keepAlive: true,
  });
  // The next probe finds out; without a listener an idle connection that breaks would end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    close(client);
    throw error;
  }
}

function close(client: pg.Client | undefined): void {
  client?.end().catch(() => {});
}

/** SQLSTATE class 57P: shutting down, crashed, starting up. */
const notServing: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03', 'ECONNREFUSED']);

/** Why a probe failed. Only a server that says so itself, or a port that nobody listens on, is certainly not serving. */
export function readFailure(error: unknown): Extract<ProbeResult, { kind: 'unreachable' }> {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : String(error);
  const reason = code === 'ECONNREFUSED' ? 'nobody listens on its port' : message.replaceAll(/\s+/g, ' ');
  return { kind: 'unreachable', reason, isCertain: notServing.has(code) };
}
