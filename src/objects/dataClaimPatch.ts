import { dataClaimName, instanceName } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';

/**
 * Grows the volume of an instance to the size of the spec.
 *
 * To be applied to a claim that is bound and smaller: a StatefulSet's own template of the claim cannot change, and
 * Kubernetes refuses to shrink, to grow a claim that is still pending, and to grow one whose storage class does not
 * allow it. It names the size alone, no owner, so that the volume still outlives its topology.
 */
export function dataClaimPatch(topology: ReplicatedPostgres, ordinal: number) {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: dataClaimName(instanceName(topology.metadata.name, ordinal)),
      namespace: topology.metadata.namespace,
    },
    spec: { resources: { requests: { storage: topology.spec.storage.size } } },
  };
}
