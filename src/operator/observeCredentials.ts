// Passwords and certificates as facts: read from the Secrets, or remembered while the Secrets have not changed.

import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import type { TopologyCredentials } from '../objects/topologyCredentials.ts';
import type { Observed, ResourceFacts } from '../plan/observed.ts';
import { makeCredentials, planCredentials } from './credentials.ts';
import type { Deps } from './deps.ts';
import type { RememberedCredentials } from './memory.ts';

export interface ObservedCredentials {
  readonly state: Observed['credentials'];
  readonly value: TopologyCredentials | undefined;
}

export async function observeCredentials(
  key: string,
  resource: ResourceFacts,
  deps: Deps,
): Promise<ObservedCredentials> {
  if (resource.kind !== 'valid' || resource.isDeleting) return { state: 'missing', value: undefined };
  const remembered = rememberedOf(key, resource.topology, deps);
  const nowMs = deps.clock.wallNow().getTime();
  if (remembered?.secretVersions === secretVersions(key, deps)) {
    return { state: nowMs < remembered.renewAtMs ? 'valid' : 'due', value: remembered.value };
  }
  const plan = planCredentials(deps.watches.of('Secret', key), resource.topology, nowMs, remembered?.value);
  if (plan.actions.length > 0) return { state: 'missing', value: undefined };
  return { state: 'valid', value: await rememberCredentials(key, resource.topology, deps) };
}

/** Makes what is missing or due, and remembers all of it until the Secrets change. */
export async function rememberCredentials(
  key: string,
  topology: ReplicatedPostgres,
  deps: Deps,
): Promise<TopologyCredentials> {
  const nowMs = deps.clock.wallNow().getTime();
  const remembered = rememberedOf(key, topology, deps)?.value;
  const plan = planCredentials(deps.watches.of('Secret', key), topology, nowMs, remembered);
  for (const { kind, reason } of plan.actions)
    deps.log.info({ topology: key, kind, reason }, 'making credentials');
  const value = await makeCredentials(plan, topology, { nowMs, randomBytes: deps.randomBytes });
  deps.memory.of(key).credentials = {
    topologyUid: topology.metadata.uid,
    secretVersions: secretVersions(key, deps),
    value,
    renewAtMs: plan.renewAtMs ?? Infinity,
  };
  return value;
}

function rememberedOf(
  key: string,
  { metadata }: ReplicatedPostgres,
  { memory }: Deps,
): RememberedCredentials | undefined {
  const { credentials } = memory.of(key);
  return credentials?.topologyUid === metadata.uid ? credentials : undefined;
}

/** Which versions of which Secrets there are. */
function secretVersions(key: string, { watches }: Deps): string {
  return watches
    .of('Secret', key)
    .map(({ metadata }) => `${metadata.name}=${metadata.uid}/${metadata.resourceVersion}`)
    .sort()
    .join(' ');
}
