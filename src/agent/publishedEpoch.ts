import { objectNames } from '../api/names.ts';
import { endpointsKey } from '../endpoints/endpointsDocument.ts';
import { parseEndpoints } from '../endpoints/parseEndpoints.ts';
import type { KubeClient } from '../kube/client.ts';
import { resources } from '../kube/resources.ts';
import { getObject } from '../kube/verbs.ts';
import type { AgentSettings } from './agentSettings.ts';

/** The epoch that readers of the topology were told last; 0 when nothing was ever published. Throws when it cannot be read. */
export async function readPublishedEpoch(
  kube: KubeClient,
  { namespace, topology }: Pick<AgentSettings, 'namespace' | 'topology'>,
  signal: AbortSignal,
): Promise<number> {
  const name = objectNames(topology).endpointsConfigMap;
  const object = await getObject(kube, resources.ConfigMap, { namespace, name }, signal);
  return object === undefined ? 0 : parseEndpoints(object.data?.[endpointsKey] ?? '').epoch;
}
