// The two documents of the topology, followed through the API. In: ConfigMaps as they change. Out: the newest valid
// configuration and endpoints.
//
// Invariant: an endpoints document is never followed by an older one, and what was read once is kept: a deleted
// ConfigMap, a document with a fault or an API server that is away leave the poolers as they are.
import { objectNames } from '../api/names.ts';
import { parseTopologyConfig, type TopologyConfig, topologyConfigKey } from '../api/topologyConfig.ts';
import {
  compareEndpoints,
  type EndpointsDocument,
  endpointsKey,
  parseEndpoints,
} from '../endpoints/index.ts';
import { Reflector, type ReflectorDeps } from '../kube/reflector.ts';
import { type ConfigMap, resources } from '../kube/resources.ts';
import type { Log } from '../lib/log.ts';

export interface PoolerDocuments {
  config: TopologyConfig | null;
  endpoints: EndpointsDocument | null;
}

export interface WatchDocumentsOptions {
  readonly namespace: string;
  readonly topology: string;
  /** Called after one of the documents has changed. */
  readonly onChange: () => void;
}

/** Keeps `documents` at the newest until the signal is aborted. */
export async function watchDocuments(
  documents: PoolerDocuments,
  options: WatchDocumentsOptions,
  deps: ReflectorDeps,
  signal: AbortSignal,
): Promise<void> {
  const names = objectNames(options.topology);
  const follow = (name: string, key: string, take: (text: string) => boolean) => {
    const takeObject = (object: ConfigMap) => {
      const text = object.data?.[key];
      try {
        if (text !== undefined && take(text)) options.onChange();
      } catch (error) {
        deps.log.error(
          { err: error, configMap: name },
          'a document is not valid, the one before stays in use',
        );
      }
    };
    const sink = {
      replace: (objects: readonly ConfigMap[]) => objects.forEach(takeObject),
      upsert: takeObject,
      remove: () =>
        deps.log.warn({ configMap: name }, 'a document was deleted, its last content stays in use'),
    };
    const one = {
      resource: resources.ConfigMap,
      namespaces: [options.namespace],
      fieldSelector: `metadata.name=${name}`,
    };
    return new Reflector(deps, one, sink).run(signal);
  };
  await Promise.all([
    follow(names.configConfigMap, topologyConfigKey, (text) => takeConfig(documents, text)),
    follow(names.endpointsConfigMap, endpointsKey, (text) => takeEndpoints(documents, text, deps.log)),
  ]);
}

function takeConfig(documents: PoolerDocuments, text: string): boolean {
  documents.config = parseTopologyConfig(text);
  return true;
}

function takeEndpoints(documents: PoolerDocuments, text: string, log: Log): boolean {
  const candidate = parseEndpoints(text);
  const current = documents.endpoints;
  const order = current === null ? 'newer' : compareEndpoints(candidate, current);
  const { epoch, generation } = candidate;
  if (order === 'newer') {
    documents.endpoints = candidate;
    log.info({ epoch, generation }, 'took a newer endpoints document');
    return true;
  }
  if (order !== 'same') log.warn({ epoch, generation, order }, 'refused an endpoints document');
  return false;
}
