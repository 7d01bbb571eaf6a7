import { createReplicaManager, type ReplicaManager } from './createReplicaManager.ts';
import { readRouterEnvironment } from './routerEnvironment.ts';

/**
 * The replica manager of this process, configured from its environment when it is first used.
 *
 * Importing it reads nothing, opens nothing and cannot fail, so that a module may import it in a test or
 * a build where there is no database.
 */
export const replicaManager: ReplicaManager = lazyReplicaManager(() =>
  createReplicaManager(readRouterEnvironment()),
);

function lazyReplicaManager(create: () => ReplicaManager): ReplicaManager {
  let created: ReplicaManager | undefined;
  const manager = () => {
    created ??= create();
    return created;
  };
  return {
    routeQuery: (type, sql, params) => manager().routeQuery(type, sql, params),
    getWriteDatabase: () => manager().getWriteDatabase(),
    getReadReplica: () => manager().getReadReplica(),
    transaction: (run, options) => manager().transaction(run, options),
    hasReadReplicas: () => manager().hasReadReplicas(),
    status: () => manager().status(),
    end: () => manager().end(),
    [Symbol.asyncDispose]: () => manager().end(),
  };
}
