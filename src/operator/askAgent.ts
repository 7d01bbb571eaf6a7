import * as https from 'node:https';
import type { AgentStatus } from '../api/agentStatus.ts';
import { ports } from '../api/names.ts';
import type { ProbeTarget } from './prober.ts';

/** A status is well below a kilobyte. */
const maxAnswerBytes = 64 * 1024;

/** Asks an agent how its instance is doing; undefined when it does not say. */
export function askAgent(target: ProbeTarget, signal: AbortSignal): Promise<AgentStatus | undefined> {
  const { promise, resolve } = Promise.withResolvers<AgentStatus | undefined>();
  const request = https.get(
    {
      host: target.address,
      port: ports.agent,
      path: '/status',
      servername: target.serverName,
      ...target.tls,
      agent: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(target.timeoutMs)]),
    },
    (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > maxAnswerBytes) response.destroy();
      });
      response.on('end', () => resolve(response.statusCode === 200 ? readStatus(text) : undefined));
      response.on('error', () => resolve(undefined));
      response.on('close', () => resolve(undefined));
    },
  );
  request.on('error', () => resolve(undefined));
  return promise;
}

function readStatus(text: string): AgentStatus | undefined {
  try {
    const status: unknown = JSON.parse(text);
    const isKnown =
      typeof status === 'object' && status !== null && 'version' in status && status.version === 1;
    return isKnown ? (status as AgentStatus) : undefined;
  } catch {
    return undefined;
  }
}
