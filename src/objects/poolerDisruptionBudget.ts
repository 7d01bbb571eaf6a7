import { labels, objectNames, type PoolerKind } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { ownedBy } from './ownedBy.ts';
import { selectPoolers } from './poolerDeployment.ts';

/** One pooler at a time may be evicted. For a single pod it would block the drain of its node, so it has none. */
export function poolerDisruptionBudget(topology: ReplicatedPostgres, which: PoolerKind) {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: ownedBy(topology, objectNames(topology.metadata.name).pooler(which), 'pooler', {
      [labels.pooler]: which,
    }),
    spec: {
      maxUnavailable: 1,
      // A pooler that does not answer protects nobody, it only blocks the drain.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
      selector: { matchLabels: selectPoolers(topology, which) },
    },
  };
}
