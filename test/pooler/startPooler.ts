// A pooler as it runs in its pod, with a real PgBouncer, beside real servers; gone again with the test.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, type ClientConfig } from 'pg';
import type { PoolerKind } from '../../src/api/names.ts';
import { pgbouncerProgram } from '../fixtures/pgbouncerProgram.ts';
import type { TemporaryCertificates } from '../fixtures/temporaryCertificates.ts';
import type { PoolerProgramInput } from './poolerProgram.ts';

export interface StartPoolerOptions {
  readonly kind: PoolerKind;
  readonly apiServer: string;
  readonly certificates: TemporaryCertificates;
  readonly rolePassword: string;
  /** How long it takes connections after it is asked to go. */
  readonly acceptMs?: number;
}

export interface RunningPooler extends AsyncDisposable {
  readonly port: number;
  readonly process: ChildProcess;
  /** What it has logged, a line each. */
  readonly log: readonly string[];
  /** Options of a login as the application; say only what differs. */
  login(differences?: ClientConfig): ClientConfig;
  /** Status and body of `/readyz` or `/livez`. */
  probe(path: string): Promise<{ status: number | undefined; body: string }>;
  metrics(): Promise<string>;
  renewCertificate(certificates: TemporaryCertificates): void;
  pgbouncerPid(): number;
}

export const app = { user: 'app', password: 'the application', database: 'app' };

export async function startPooler(options: StartPoolerOptions): Promise<RunningPooler> {
  const folder = mkdtempSync(join(tmpdir(), 'replica-manager-pooler-'));
  const [runDir, tlsDir, passwordFile] = [join(folder, 'run'), join(folder, 'tls'), join(folder, 'password')];
  mkdirSync(runDir);
  mkdirSync(tlsDir);
  // The pooler may run as another user than the test.
  for (const path of [folder, runDir, tlsDir]) chmodSync(path, 0o777);
  writeCertificates(tlsDir, options.certificates);
  writeFileSync(join(tlsDir, 'ca.crt'), options.certificates.ca);
  writeFileSync(passwordFile, `${options.rolePassword}\n`);
  const [port, probesPort, metricsPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const input: PoolerProgramInput = {
    kind: options.kind,
    apiServer: options.apiServer,
    settings: {
      namespace: 'shop',
      topology: 'orders',
      program: await pgbouncerProgram(),
      listenAddress: '127.0.0.1',
      listenPort: port,
      probesPort,
      metricsPort,
      runDir,
      tlsDir,
      passwordFile,
      secretsPeriodMs: 300,
      drain: { acceptMs: options.acceptMs ?? 200, leaveMs: 500, finishMs: 5_000, dieMs: 2_000 },
    },
  };
  const program = fileURLToPath(new URL('poolerProgram.ts', import.meta.url));
  const child = spawn(process.execPath, [program, JSON.stringify(input)], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const log: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on('line', (line) => log.push(line));
  }
  return {
    port,
    process: child,
    log,
    login: (differences = {}) => ({
      ...app,
      host: '127.0.0.1',
      port,
      ssl: { ca: options.certificates.ca },
      connectionTimeoutMillis: 10_000,
      ...differences,
    }),
    probe: (path) => ask(httpsGet, `https://127.0.0.1:${probesPort}${path}`, { rejectUnauthorized: false }),
    metrics: async () => (await ask(httpGet, `http://127.0.0.1:${metricsPort}/metrics`, {})).body,
    renewCertificate: (certificates) => writeCertificates(tlsDir, certificates),
    pgbouncerPid: () =>
      Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ')[0]),
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        await gone;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One statement on a connection of its own; the first column of the first row. */
export async function askOnce(login: ClientConfig, sql: string): Promise<unknown> {
  const client = new Client(login);
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query({ text: sql, rowMode: 'array' });
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
}

function writeCertificates(tlsDir: string, { cert, key }: TemporaryCertificates): void {
  writeFileSync(join(tlsDir, 'tls.crt'), cert);
  writeFileSync(join(tlsDir, 'tls.key'), key);
}

function ask(
  get: typeof httpsGet | typeof httpGet,
  url: string,
  options: object,
): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    get(url, { ...options, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString('utf8');
      });
      response.on('end', () => resolve({ status: response.statusCode, body }));
    }).on('error', reject);
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port on loopback');
  return address.port;
}
