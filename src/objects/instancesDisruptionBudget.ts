import { objectNames } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { selectInstances } from './instanceSet.ts';
import { ownedBy } from './ownedBy.ts';

/** One instance at a time may be evicted. A single one has no budget: it would block the drain of its node. */
export function instancesDisruptionBudget(topology: ReplicatedPostgres) {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: ownedBy(topology, objectNames(topology.metadata.name).instancesDisruptionBudget, 'instance'),
    spec: { maxUnavailable: 1, selector: { matchLabels: selectInstances(topology) } },
  };
}
