// What `new RoutedPool(…)` was given, in the terms of `pg` and in ours. Out: the settings of its router, or everything that is wrong.

import type { PoolOptions } from 'pg';
import { readDriverTarget } from './connectionSettings.ts';
import { type FixedReplica, FixedTopology, findFixedProblems } from './fixedTopology.ts';
import { type ReplicaManagerOptions, type RouterSettings, readRouterOptions } from './routerOptions.ts';
import { lacksLogin } from './sources/staticSource.ts';

export interface RoutedPoolOptions
  extends Omit<ReplicaManagerOptions, 'poolSize' | 'applicationName' | 'connectTimeoutMs' | 'idleTimeoutMs'> {
  /** Beside the primary that `host` and `port` name. Without it, and without any other option, there are none. */
  readonly replicas?: readonly FixedReplica[] | undefined;
}

/** What the pool takes by the name that `pg` has for it. */
const driverNames = {
  poolSize: 'max',
  applicationName: 'application_name',
  connectTimeoutMs: 'connectionTimeoutMillis',
  idleTimeoutMs: 'idleTimeoutMillis',
} as const;

/** @throws RouterError `RPG_CONFIG_INVALID` */
export function readPoolSettings(
  options: PoolOptions,
  replicaManager: RoutedPoolOptions | undefined,
): RouterSettings {
  const { replicas, ...others } = replicaManager ?? {};
  const isFixed = replicaManager === undefined || replicas !== undefined;
  const bringsLogin = !isFixed && !(Array.isArray(others.sources) && others.sources.some(lacksLogin));
  const { host, port, driver } = readDriverTarget(options, bringsLogin);
  const problems = findNameProblems(others);
  if (!isFixed) return readRouterOptions(others, driver, problems);
  if (others.sources !== undefined) problems.push('replicas and sources cannot both be given');
  problems.push(...findFixedProblems({ host, port }, replicas ?? []));
  // How the instances of a fixed topology are reached is up to the options of `pg`.
  const settings = readRouterOptions({ tls: 'off', ...others }, driver, problems);
  return { ...settings, sources: [new FixedTopology({ host, port }, replicas ?? [])] };
}

function findNameProblems(given: ReplicaManagerOptions): string[] {
  const names = Object.entries(driverNames) as [keyof typeof driverNames, string][];
  return names.flatMap(([name, driverName]) =>
    given[name] === undefined ? [] : [`replicaManager has no option ${name}, use ${driverName} of the pool`],
  );
}
