// The client of the operator and the command line: whatever a kubeconfig can say (certificates, tokens, programs that
// fetch tokens, proxies), answered by @kubernetes/client-node. Only its type is imported here; the caller loads it.

import type * as https from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import type { Clock } from '../lib/clock.ts';
import { cachedCredentials } from './cachedCredentials.ts';
import { createKubeClient, type KubeClient, userAgent } from './client.ts';
import type { Credentials, TlsMaterial } from './transport.ts';

export interface KubeConfigOptions {
  readonly clock: Clock;
  readonly version: string;
  /** `operator`, `cli`, …; appears in the user agent. */
  readonly component: string;
  readonly fieldManager?: string;
}

/**
 * A client for the current context of a kubeconfig (`loadFromDefault` covers the pod's own service account as well).
 *
 * @throws Error when the kubeconfig has no current cluster
 */
export function clientFromKubeConfig(kubeConfig: KubeConfig, options: KubeConfigOptions): KubeClient {
  const cluster = kubeConfig.getCurrentCluster();
  if (cluster === null) {
    throw new Error('the kubeconfig names no current cluster: set KUBECONFIG or choose a context');
  }
  return createKubeClient({
    server: new URL(cluster.server),
    credentials: cachedCredentials(() => readCredentials(kubeConfig, cluster.proxyUrl), options.clock),
    clock: options.clock,
    userAgent: userAgent(options.version, options.component),
    ...(options.fieldManager === undefined ? {} : { fieldManager: options.fieldManager }),
  });
}

/**
 * Asks client-node for everything a request of its own would carry.
 *
 * Its connections are left unused unless there is a proxy, because it never keeps one open for the next request.
 */
async function readCredentials(kubeConfig: KubeConfig, proxyUrl: string | undefined): Promise<Credentials> {
  const options: https.RequestOptions & { pfx?: Buffer; passphrase?: string } = {};
  await kubeConfig.applyToHTTPSOptions(options);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {}))
    headers[name.toLowerCase()] = String(value);
  if (typeof options.auth === 'string') {
    headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  }
  const { agent } = options;
  return {
    headers,
    tls: tlsMaterial(options),
    ...(proxyUrl !== undefined && typeof agent === 'object' ? { proxyAgent: agent } : {}),
  };
}

const tlsNames = ['ca', 'cert', 'key', 'pfx', 'passphrase', 'servername', 'rejectUnauthorized'] as const;

function tlsMaterial(options: object): TlsMaterial {
  const known = new Map(Object.entries(options));
  return Object.fromEntries(
    tlsNames.flatMap((name) => (known.get(name) === undefined ? [] : [[name, known.get(name)]])),
  );
}
