// Tells the probes which instances to follow, from what the stores hold now.

import { databaseRoles, instanceHost, labels, objectNames, ports } from '../api/names.ts';
import { parseReplicatedPostgres, type ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import type { Pod } from '../kube/resources.ts';
import { parseObjectKey } from '../kube/store.ts';
import { parseBytes } from '../lib/quantity.ts';
import { type ReadsLimits, silenceGraceMs } from '../plan/reads.ts';
import { isInstance } from './observe.ts';
import type { ClientTls } from './prober.ts';
import type { FollowedInstance, Probes } from './probes.ts';
import { readLeaseFacts, readRenewal } from './readLease.ts';
import type { Watches } from './watches.ts';

/**
 * Follows every instance of a topology that has an address; nobody when the topology is gone or cannot be run.
 *
 * While the Secret of the operator's certificate is missing everything stays as it is: it is about to be made again, and
 * connections that are open do not need it.
 */
export function followInstances(key: string, watches: Watches, probes: Probes): void {
  const topology = readTopology(key, watches);
  if (topology === undefined) {
    probes.forget(key);
    return;
  }
  const tls = readTls(key, topology.metadata.name, watches);
  if (tls === undefined) return;
  const pods = watches.of('Pod', key).filter(isInstance);
  probes.follow(
    key,
    pods.flatMap((pod) => followed(pod, topology, tls)),
    readsLimits(topology),
  );
  noteLease(key, watches, probes);
}

/** Tells the probes what the primary Lease says. */
export function noteLease(key: string, watches: Watches, probes: Probes): void {
  const { name } = parseObjectKey(key);
  const lease = watches.named('Lease', key, objectNames(name).primaryLease);
  if (lease === undefined) probes.noteLease(key, undefined, undefined);
  else probes.noteLease(key, readLeaseFacts(lease), readRenewal(lease));
}

export function readsLimits({ spec }: ReplicatedPostgres): ReadsLimits {
  const { maxLagSeconds, resumeLagSeconds, maxLagBytes } = spec.routing;
  return {
    maxLagSeconds,
    resumeLagSeconds,
    maxLagBytes: maxLagBytes === undefined ? undefined : parseBytes(maxLagBytes),
    graceMs: silenceGraceMs(spec.probes),
  };
}

function readTopology(key: string, watches: Watches): ReplicatedPostgres | undefined {
  const object = watches.topologies.get(parseObjectKey(key));
  if (object === undefined) return undefined;
  const { metadata, apiVersion, kind, spec } = object;
  const complete = { ...metadata, namespace: metadata.namespace ?? '', generation: metadata.generation ?? 0 };
  const result = parseReplicatedPostgres({ apiVersion, kind, spec, metadata: complete });
  return result.kind === 'valid' ? result.topology : undefined;
}

function readTls(key: string, topology: string, watches: Watches): ClientTls | undefined {
  const data = watches.named('Secret', key, objectNames(topology).operatorTlsSecret)?.data;
  const text = (name: string) => Buffer.from(data?.[name] ?? '', 'base64').toString();
  const tls = { ca: text('ca.crt'), cert: text('tls.crt'), key: text('tls.key') };
  return tls.ca === '' || tls.cert === '' || tls.key === '' ? undefined : tls;
}

function followed(
  pod: Pod,
  { metadata, spec }: ReplicatedPostgres,
  tls: ClientTls,
): readonly FollowedInstance[] {
  const instance = pod.metadata.labels?.[labels.instance];
  const address = pod.status?.podIP;
  const hasEnded = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
  if (instance === undefined || address === undefined || hasEnded) return [];
  const target = {
    instance,
    podUid: pod.metadata.uid,
    address,
    serverName: instanceHost(metadata.name, metadata.namespace, instance),
    port: ports.postgres,
    user: databaseRoles.monitor,
    tls,
    intervalMs: spec.probes.intervalMilliseconds,
    timeoutMs: spec.probes.timeoutMilliseconds,
  };
  return [{ target, wasRoutable: pod.metadata.labels?.[labels.routable] === 'true' }];
}
