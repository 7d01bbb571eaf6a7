import { objectNames, type PoolerKind } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { poolerPort, selectPoolers } from './poolerDeployment.ts';
import { serviceMeta } from './serviceMeta.ts';

export function poolerService(topology: ReplicatedPostgres, which: PoolerKind) {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: serviceMeta(topology, objectNames(topology.metadata.name).pooler(which), which),
    spec: {
      type: 'ClusterIP',
      selector: selectPoolers(topology, which),
      ports: [{ name: 'pgbouncer', port: poolerPort(which), protocol: 'TCP', targetPort: 'pgbouncer' }],
    },
  };
}
