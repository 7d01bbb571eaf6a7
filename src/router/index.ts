// What an application imports from `replica-manager`.

export type { Health, ReplicaVerdict } from './chooseReplica.ts';
export {
  createReplicaManager,
  type Database,
  type ReplicaManager,
  type RouterDeps,
} from './createReplicaManager.ts';
export type { Credentials } from './credentialsDirectory.ts';
export type { PoolCounts } from './instancePool.ts';
export { replicaManager } from './replicaManager.ts';
export { RouterError, type RouterErrorCode } from './routerError.ts';
export type { ReplicaManagerOptions } from './routerOptions.ts';
export type { InstanceStatus, ReplicaManagerStatus, ReplicaStatus } from './routerStatus.ts';
