import { instanceOrdinal } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import type { Deployment, ServiceAccount, StatefulSet } from '../kube/resources.ts';
import { assert } from '../lib/assert.ts';
import { desiredObjects } from '../objects/desiredObjects.ts';
import type { ClaimTemplate } from '../objects/instanceSet.ts';
import type { TopologyCredentials } from '../objects/topologyCredentials.ts';
import type { DesiredChoice } from '../plan/objects.ts';
import type { Manifest } from '../plan/observed.ts';
import type { Images } from './deps.ts';
import { restampDeployment } from './restampDeployment.ts';

export interface BuildContext {
  readonly images: Images;
  readonly credentials: TopologyCredentials | undefined;
  readonly sets: readonly StatefulSet[];
  readonly deployments: readonly Deployment[];
  readonly accounts: readonly ServiceAccount[];
}

/** Every object that should exist, by what the plan has chosen. */
export function buildDesired(
  topology: ReplicatedPostgres,
  choice: DesiredChoice,
  { images, credentials, sets, deployments, accounts }: BuildContext,
): readonly Manifest[] {
  assert(credentials !== undefined, 'objects are built when the credentials are there');
  return desiredObjects(topology, {
    operatorImage: images.operator,
    poolerImage: images.pooler,
    credentials,
    systemIdentifier: choice.systemIdentifier,
    ordinals: choice.ordinals,
    claimTemplates: claimTemplates(topology.metadata.name, sets),
    endpoints: choice.endpoints,
  }).map((object) => restampDeployment(object, deployments, accounts));
}

/** The template of the claim in each StatefulSet, which cannot change any more. */
function claimTemplates(topology: string, sets: readonly StatefulSet[]): ReadonlyMap<number, ClaimTemplate> {
  return new Map(
    sets.flatMap((set) => {
      const ordinal = instanceOrdinal(topology, set.metadata.name);
      const template = set.spec?.volumeClaimTemplates?.[0];
      const size = template?.spec?.resources?.requests?.['storage'];
      if (ordinal === undefined || size === undefined) return [];
      return [[ordinal, { size, labels: template?.metadata?.labels ?? {} }] as const];
    }),
  );
}
