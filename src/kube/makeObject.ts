// Makes an object that the caller does not know of, and never writes over one that is there after all.

import { ApiError } from './apiError.ts';
import { withAppliedHash } from './appliedHash.ts';
import { applyObject } from './apply.ts';
import type { KubeClient } from './client.ts';
import type { KubeObject, LiveObject } from './kubeObject.ts';
import { resourceOf } from './resources.ts';
import { createObject, getObject, refOf } from './verbs.ts';

/** `exists`: an object of that name is there, as it was found. It was not touched. */
export type Made = { readonly kind: 'made' | 'exists'; readonly object: LiveObject };

/**
 * A Secret is created, because what is in one can be lost for ever. Anything else is looked for and then applied
 * without force: fields that were created are never taken back by a later apply, fields that were applied are, and what
 * comes in between with other content is a conflict.
 * @throws ApiError, `isConflict` when somebody makes it at the same time
 */
export async function makeObject(
  client: KubeClient,
  desired: KubeObject,
  signal: AbortSignal,
): Promise<Made> {
  const marked = withAppliedHash(desired);
  if (desired.kind === 'Secret') return createOrFind(client, marked, signal);
  const found = await getObject(client, resourceOf(desired), refOf(desired), signal);
  if (found !== undefined) return { kind: 'exists', object: found };
  return { kind: 'made', object: await applyObject(client, marked, signal, { force: false }) };
}

async function createOrFind(client: KubeClient, desired: KubeObject, signal: AbortSignal): Promise<Made> {
  try {
    return { kind: 'made', object: await createObject(client, desired, signal) };
  } catch (error) {
    if (!(error instanceof ApiError && error.isAlreadyExists)) throw error;
    const found = await getObject(client, resourceOf(desired), refOf(desired), signal);
    if (found !== undefined) return { kind: 'exists', object: found };
    const message = `${desired.kind} ${desired.metadata.name} went away while it was looked at`;
    throw new ApiError({ status: 409, reason: 'Conflict', message, cause: error });
  }
}
