// Makes an object in the cluster what we want it to be, with no write when it is so already.

import { withAppliedHash } from './appliedHash.ts';
import { applyObject } from './apply.ts';
import type { KubeClient } from './client.ts';
import { findDifference } from './differs.ts';
import type { KubeObject, LiveObject } from './kubeObject.ts';
import { resourceOf } from './resources.ts';
import { findSurplus } from './surplus.ts';
import { jsonPatch, refOf } from './verbs.ts';

/**
 * `difference` is what was found before writing, for the log. `remaining` is what still differs afterwards: somebody
 * (an admission webhook) changes what we write, and writing it again would not help.
 */
export type Ensured =
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'applied';
      readonly object: LiveObject;
      readonly difference: string;
      readonly remaining: string | undefined;
    };

/**
 * Applies `desired` if `live` differs from it.
 *
 * Server-side apply leaves alone what others have added to a list with keys (a port, a container). Such elements are
 * taken out one by one afterwards, unless somebody has written the object in between; the next run sees them again.
 * @throws ApiError, `isTerminal` when the object does not fit its schema or a field must not change
 */
export async function ensureObject(
  client: KubeClient,
  desired: KubeObject,
  live: KubeObject | undefined,
  signal: AbortSignal,
): Promise<Ensured> {
  const difference = live === undefined ? 'it does not exist' : findDifference(desired, live);
  if (difference === undefined) return { kind: 'unchanged' };
  const applied: LiveObject = await applyObject(client, withAppliedHash(desired), signal);
  const surplus = findSurplus(desired, applied);
  const object = surplus.length === 0 ? applied : await removeSurplus(client, applied, surplus, signal);
  return { kind: 'applied', object, difference, remaining: findDifference(desired, object) };
}

function removeSurplus(
  client: KubeClient,
  applied: LiveObject,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<LiveObject> {
  const steps = [
    // Setting the version that was read makes it a precondition, answered with a conflict when it no longer holds.
    { op: 'replace', path: '/metadata/resourceVersion', value: applied.metadata.resourceVersion } as const,
    ...paths.map((path) => ({ op: 'remove', path }) as const),
  ];
  return jsonPatch(client, resourceOf(applied), refOf(applied), steps, signal);
}
