// What an application imports from `replica-manager`.

export type { ExplainedReplica, ReadExplanation } from './balance/explainRead.ts';
export type { ReadSettings } from './balance/readPlanner.ts';
export type { Health, ReplicaVerdict } from './chooseReplica.ts';
export { Classifier, type ClassifierSettings, type LearnedRule } from './classify/classifier.ts';
export { classify } from './classify/classify.ts';
export type { ClassifySettings } from './classify/classifySettings.ts';
export { explainStatement, type StatementExplanation } from './classify/explainStatement.ts';
export type { Pins, Route, Verdict } from './classify/verdict.ts';
export type { Consistency } from './consistency/consistency.ts';
export { currentScope, type ReadScope, runInScope, type ScopeOptions } from './consistency/readScope.ts';
export {
  type FastifyHooks,
  type RequestScopeOptions,
  scopePerFastifyRequest,
  scopePerRequest,
  tokenHeader,
} from './consistency/scopePerRequest.ts';
export {
  createReplicaManager,
  type Database,
  type ReplicaManager,
  type RouterDeps,
  type TransactionClient,
} from './createReplicaManager.ts';
export type { Credentials } from './credentialsDirectory.ts';
export type { FixedReplica } from './fixedTopology.ts';
export type { PoolCounts } from './instancePool.ts';
export { replicaManager } from './replicaManager.ts';
export {
  type Explanation,
  RoutedPool,
  type RoutedPoolConfig,
  type RoutedPoolOptions,
} from './routedPool.ts';
export { RouterError, type RouterErrorCode } from './routerError.ts';
export type { ReplicaManagerOptions } from './routerOptions.ts';
export type { InstanceStatus, ReplicaManagerStatus, ReplicaStatus } from './routerStatus.ts';
export { type FileSourceOptions, fileSource } from './sources/fileSource.ts';
export { type HttpSourceOptions, httpSource } from './sources/httpSource.ts';
export { type EnvironmentOptions, readRouterEnvironment } from './sources/routerEnvironment.ts';
export { type StaticTopology, staticSource } from './sources/staticSource.ts';
export type { Topology, TopologySource } from './sources/topologySource.ts';
export type { RoutedQuery, RoutedQueryConfig, RoutingOptions } from './statement.ts';
export type { TransactionOptions } from './transaction.ts';
