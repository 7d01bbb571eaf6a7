// Where the API server is, as the kubelet tells every container.

import { RouterError } from '../routerError.ts';

/** @throws RouterError `RPG_CONFIG_INVALID` outside a pod */
export function readApiServer(environment: Readonly<Record<string, string | undefined>> = process.env): URL {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = environment;
  if (!host || !port) {
    throw new RouterError(
      'RPG_CONFIG_INVALID',
      'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this process runs in no pod, set apiServer or use another source',
    );
  }
  return new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`);
}
