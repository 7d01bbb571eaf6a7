// From the environment to a running agent, and to its end.

import { pino } from 'pino';
import { inClusterClient } from '../kube/inClusterClient.ts';
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { readAgentSettings } from './agentSettings.ts';
import { readCertificateFiles } from './certificateFiles.ts';
import { InstanceLoop } from './instanceLoop.ts';
import { StatusServer } from './statusServer.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Runs one instance until `signal` is aborted. Throws when the pod's template is wrong. */
export async function runAgent(env: Environment, version: string, signal: AbortSignal): Promise<void> {
  const settings = readAgentSettings(env);
  const log: Log = pino({
    base: { instance: settings.instance, component: 'agent' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
  });
  if (settings.apiServer === null) {
    throw new Error('KUBERNETES_SERVICE_HOST is missing, the agent runs in a pod');
  }
  const clock = systemClock;
  const kube = inClusterClient({ ...settings.apiServer, clock, version, component: 'agent' });
  const certificate = await readCertificateFiles(settings.places.tlsDir);
  const loop: InstanceLoop = new InstanceLoop({ settings, clock, log, kube }, (renewed) =>
    status.renew(renewed),
  );
  const status = new StatusServer(certificate, loop);
  await status.listen(settings.agentPort);
  log.info({ version, pod: settings.podName, port: settings.agentPort }, 'the agent has started');
  try {
    await loop.run(signal);
    log.info({}, 'the agent has ended, PostgreSQL is stopped');
  } finally {
    await status.close();
    kube.close();
  }
}
