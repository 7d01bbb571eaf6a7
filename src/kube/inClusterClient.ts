// The light client: a pod's own service account, without any library. The agent's bundle must not contain more.

import { readFile } from 'node:fs/promises';
import type { Clock } from '../lib/clock.ts';
import { cachedCredentials } from './cachedCredentials.ts';
import { createKubeClient, type KubeClient, userAgent } from './client.ts';
import type { Credentials } from './transport.ts';

export interface InClusterOptions {
  /** `KUBERNETES_SERVICE_HOST`: an IPv4 or IPv6 address or a name. */
  readonly host: string;
  /** `KUBERNETES_SERVICE_PORT`. */
  readonly port: string;
  /** Folder with `token` and `ca.crt`, as the kubelet mounts it. */
  readonly serviceAccountDir?: string;
  readonly clock: Clock;
  readonly version: string;
  /** `agent`, `pooler`, …; appears in the user agent. */
  readonly component: string;
  /** Give one of its own to each component that applies fields of an object that others apply too. */
  readonly fieldManager?: string;
}

const mountedServiceAccountDir = '/var/run/secrets/kubernetes.io/serviceaccount';

/** A client that authenticates as the service account of the pod it runs in. Reads nothing until the first request. */
export function inClusterClient(options: InClusterOptions): KubeClient {
  const dir = options.serviceAccountDir ?? mountedServiceAccountDir;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return createKubeClient({
    server: new URL(`https://${host}:${options.port}`),
    credentials: cachedCredentials(() => readServiceAccount(dir), options.clock),
    clock: options.clock,
    userAgent: userAgent(options.version, options.component),
    ...(options.fieldManager === undefined ? {} : { fieldManager: options.fieldManager }),
  });
}

async function readServiceAccount(dir: string): Promise<Credentials> {
  const [token, ca] = await Promise.all([readFile(`${dir}/token`, 'utf8'), readFile(`${dir}/ca.crt`)]);
  return { headers: { authorization: `Bearer ${token.trim()}` }, tls: { ca } };
}
