// Server-side apply: we say which fields we want, the server remembers that they are ours and leaves the rest alone.

import { applyContentType, type KubeClient } from './client.ts';
import type { KubeObject, LiveObject } from './kubeObject.ts';
import { pathOf, resourceOf } from './resources.ts';
import { refOf } from './verbs.ts';

/**
 * Makes the object as desired: created when missing, our fields set, fields that we no longer name removed.
 *
 * Fields that others own and we name are taken over (`force`, unless told): the operator's word counts for what it names.
 * With `metadata.resourceVersion` or `metadata.uid` set, only when they match.
 * @throws ApiError `isTerminal` when the object does not fit its schema
 */
export function applyObject<T extends KubeObject>(
  client: KubeClient,
  object: T,
  signal: AbortSignal,
  options: { readonly force: boolean } = { force: true },
): Promise<T & LiveObject> {
  return sendApply(client, object, { subresource: undefined, ...options }, signal);
}

/**
 * The same for the status of an object that exists.
 *
 * `object` holds apiVersion, kind, the name and the status; a spec in it would be ignored, so it is better left out.
 */
export function applyStatus<T extends KubeObject & { readonly status: unknown }>(
  client: KubeClient,
  object: T,
  signal: AbortSignal,
): Promise<T & LiveObject> {
  return sendApply(client, object, { subresource: 'status', force: true }, signal);
}

function sendApply<T extends KubeObject>(
  client: KubeClient,
  object: T,
  { subresource, force }: { readonly subresource: 'status' | undefined; readonly force: boolean },
  signal: AbortSignal,
): Promise<T & LiveObject> {
  return client.request({
    method: 'PATCH',
    path: pathOf(resourceOf(object), {
      ...refOf(object),
      ...(subresource === undefined ? {} : { subresource }),
    }),
    query: { fieldManager: client.fieldManager, force },
    body: object,
    contentType: applyContentType,
    signal,
  });
}
