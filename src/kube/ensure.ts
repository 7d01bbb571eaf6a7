// Makes an object in the cluster what we want it to be, with no write when it is so already.

import { ApiError } from './apiError.ts';
import { withAppliedHash } from './appliedHash.ts';
import { applyObject } from './apply.ts';
import type { KubeClient } from './client.ts';
import { findDifference } from './differs.ts';
import type { KubeObject, LiveObject } from './kubeObject.ts';
import { resourceOf } from './resources.ts';
import { findChangedLists, findSurplus, type Surplus } from './surplus.ts';
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
 * taken out afterwards. Where an element with another key stands in the way of ours (a port of our name with another
 * number), apply is refused, and the list is put right first.
 * @throws ApiError, `isConflict` when somebody writes at the same time, `isTerminal` when the object does not fit its
 *   schema or a field must not change
 */
export async function ensureObject(
  client: KubeClient,
  desired: KubeObject,
  live: KubeObject | undefined,
  signal: AbortSignal,
): Promise<Ensured> {
  const difference = live === undefined ? 'it does not exist' : findDifference(desired, live);
  if (difference === undefined) return { kind: 'unchanged' };
  const applied = await applyThrough(client, withAppliedHash(desired), live, signal);
  const surplus = findSurplus(desired, applied);
  const object = surplus.length === 0 ? applied : await removeSurplus(client, applied, surplus, signal);
  return { kind: 'applied', object, difference, remaining: findDifference(desired, object) };
}

async function applyThrough(
  client: KubeClient,
  desired: KubeObject,
  live: KubeObject | undefined,
  signal: AbortSignal,
): Promise<LiveObject> {
  try {
    return await applyObject(client, desired, signal);
  } catch (error) {
    const isInvalid = error instanceof ApiError && error.status === 422;
    const lists = isInvalid && live !== undefined ? findChangedLists(desired, live) : [];
    if (live === undefined || lists.length === 0) throw error;
    const steps = lists.flatMap(({ path, live: found, desired: value }) => [
      { op: 'test', path, value: found } as const,
      { op: 'replace', path, value } as const,
    ]);
    await jsonPatch(client, resourceOf(live), refOf(live), steps, signal);
    return await applyObject(client, desired, signal);
  }
}

/**
 * Removes elements only while they are what was read. The version of the whole object would be too much to ask: its
 * controller writes the status right after us.
 */
async function removeSurplus(
  client: KubeClient,
  applied: LiveObject,
  surplus: readonly Surplus[],
  signal: AbortSignal,
): Promise<LiveObject> {
  const steps = surplus.flatMap(({ path, element }) => [
    { op: 'test', path, value: element } as const,
    { op: 'remove', path } as const,
  ]);
  try {
    return await jsonPatch(client, resourceOf(applied), refOf(applied), steps, signal);
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 422)) throw error;
    const { kind, metadata } = applied;
    const message = `${kind} ${metadata.name} was changed while elements were removed from it`;
    throw new ApiError({ status: 409, reason: 'Conflict', message, cause: error });
  }
}
