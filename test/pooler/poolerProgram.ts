// A pooler as a process of its own, as in its pod: PgBouncer lets only its own user into the admin console, and does
// not run as root. The tests start this, by root or not, with its settings as JSON.
import { execFileSync } from 'node:child_process';
import pino from 'pino';
import type { PoolerKind } from '../../src/api/names.ts';
import { createKubeClient } from '../../src/kube/client.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { type PoolerSettings, servePooler } from '../../src/pooler/servePooler.ts';

export interface PoolerProgramInput {
  readonly kind: PoolerKind;
  readonly apiServer: string;
  readonly settings: PoolerSettings;
}

const { kind, apiServer, settings }: PoolerProgramInput = JSON.parse(process.argv[2] ?? '');

if (process.getuid?.() === 0) {
  const ask = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  const [uid, gid] = [ask('-u'), ask('-g')];
  process.setgroups?.([]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}

const stop = new AbortController();
process.once('SIGTERM', () => stop.abort(new Error('asked to go')));
// A test that is gone wants no pooler.
process.once('disconnect', () => stop.abort(new Error('the test is gone')));

const kube = createKubeClient({
  server: new URL(apiServer),
  credentials: { current: async () => ({ headers: {}, tls: {} }), forget: () => {} },
  clock: systemClock,
  userAgent: 'replica-manager/0 (pooler)',
});
await servePooler(
  kind,
  { settings, kube, clock: systemClock, random: Math.random, log: pino() },
  stop.signal,
);
kube.close();
process.disconnect?.();
