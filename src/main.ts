// The program of the image and of the command line: arguments and environment in, one role out.

import { randomBytes, randomUUID } from 'node:crypto';
import { cp, mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import type { KubeClient } from './kube/client.ts';
import { clientFromDefaultKubeConfig } from './kube/clientFromDefaultKubeConfig.ts';
import { inClusterClient } from './kube/inClusterClient.ts';
import { systemClock } from './lib/clock.ts';
import type { OperatorOptions } from './operator/operator.ts';

const version = process.env['REPLICA_MANAGER_VERSION'] ?? 'development';

const usage = `usage: replica-manager <command>

  operator         runs topologies on Kubernetes until it is told to stop
  install <dir>    copies Node and the agent into a folder, for the init containers of pods
  serve            answers the monitoring endpoints of one topology on port 4000 (REPLICA_MANAGER_PORT)
  version          prints the version`;

async function main([command = '', argument]: readonly string[]): Promise<number> {
  switch (command) {
    case 'operator':
      return operator();
    case 'serve':
      return (await import('./service/serveCommand.ts')).serveCommand(process.env);
    case 'install':
      if (argument === undefined) return refuse('install needs a folder to copy into');
      await install(process.argv[1] ?? '', argument);
      return 0;
    case 'version':
      console.log(version);
      return 0;
    default:
      return refuse(command === '' ? 'a command is missing' : `there is no command ${command}`);
  }
}

function refuse(problem: string): number {
  console.error(`${problem}\n\n${usage}`);
  return 2;
}

async function operator(): Promise<number> {
  const options = readOptions();
  // Loaded here, so that the init containers, which only copy files, do not load all of it.
  const [{ runOperator }, { operatorLog }] = await Promise.all([
    import('./operator/operator.ts'),
    import('./operator/operatorLog.ts'),
  ]);
  const log = operatorLog(process.env['LOG_LEVEL'] ?? 'info');
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping');
      stop.abort(new Error(`stopped by ${signal}`));
    });
  }
  const client = await openClient();
  const end = await runOperator(
    options,
    { client, clock: systemClock, random: Math.random, randomBytes, log },
    stop.signal,
  );
  client.close();
  if (end === 'lost') log.error({}, 'leadership was lost, ending so that a new process starts from nothing');
  return end === 'lost' ? 1 : 0;
}

function readOptions(): OperatorOptions {
  const { env } = process;
  const namespaces = (env['WATCH_NAMESPACE'] ?? '')
    .split(',')
    .map((it) => it.trim())
    .filter((it) => it !== '');
  const podName = env['POD_NAME'] ?? hostname();
  return {
    namespace: env['POD_NAMESPACE'] ?? 'default',
    electionLease: env['ELECTION_LEASE'] ?? 'replica-manager-operator',
    podName,
    identity: `${podName}_${randomUUID()}`,
    watchNamespaces: namespaces.length === 0 ? undefined : namespaces,
    images: {
      operator: required('OPERATOR_IMAGE', 'the image whose agent goes into instances'),
      pooler: required('POOLER_IMAGE', 'the image with PgBouncer'),
    },
    port: Number(env['PORT'] ?? 8080),
  };
}

function required(name: string, what: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set: it names ${what}`);
  return value;
}

/** In a pod its own service account, which needs no library; elsewhere whatever the kubeconfig says. */
async function openClient(): Promise<KubeClient> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port, KUBECONFIG } = process.env;
  const shared = { clock: systemClock, version, component: 'operator' };
  if (KUBECONFIG === undefined && host !== undefined && port !== undefined) {
    return inClusterClient({ ...shared, host, port });
  }
  return clientFromDefaultKubeConfig(shared);
}

/** What an instance or a pooler needs of the image beside the running script. Compiled code only makes the start faster. */
const parts = [
  { name: 'node', isNeeded: true },
  { name: 'lib', isNeeded: true },
  { name: 'agent.mjs', isNeeded: true },
  { name: 'cache', isNeeded: false },
] as const;

/** Copies the agent and its Node from where `script` lies into `into`. Doing it twice changes nothing. */
async function install(script: string, into: string): Promise<void> {
  const from = dirname(script);
  await mkdir(into, { recursive: true });
  for (const { name, isNeeded } of parts) {
    try {
      await cp(join(from, name), join(into, name), {
        recursive: true,
        force: true,
        preserveTimestamps: true,
      });
    } catch (error) {
      if (isNeeded) throw error;
      console.error(`${name} is left out: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
