// Entry of agent.mjs, the bundle that instance and pooler pods run. It must stay small and start fast, so it
// holds no generated Kubernetes client and no schema library.

import { runAgent } from './agent/runAgent.ts';
import type { PoolerKind } from './api/names.ts';

const version = process.env['REPLICA_MANAGER_VERSION'] ?? '0.0.0';

const usage = 'usage: agent.mjs agent | pooler rw|ro | version';

async function main(args: readonly string[]): Promise<void> {
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => stop.abort(new Error(`the process was told to end by ${name}`)));
  }
  const [part, argument] = args;
  if (part === 'agent') return runAgent(process.env, version, stop.signal);
  if (part === 'pooler' && (argument === 'rw' || argument === 'ro')) return pooler(argument, stop.signal);
  if (part === 'version') {
    process.stdout.write(`${version}\n`);
    return;
  }
  throw new Error(usage);
}

/** Loaded only when it is asked for: an instance has no use for it. */
async function pooler(kind: PoolerKind, signal: AbortSignal): Promise<void> {
  const { runPooler } = await import('./pooler/runPooler.ts');
  await runPooler(kind, process.env, signal);
}

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${JSON.stringify({ level: 'fatal', msg: message })}\n`);
    process.exit(1);
  },
);
