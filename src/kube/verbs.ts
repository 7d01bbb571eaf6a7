// What can be done with objects, one function per verb. What can be expected (nothing there) is a value,
// everything else is thrown as an ApiError.

import { ApiError } from './apiError.ts';
import type { KubeClient, Query } from './client.ts';
import type { KubeObject, LiveObject, ObjectRef } from './kubeObject.ts';
import { pathOf, type Resource, resourceOf } from './resources.ts';

/** Which objects of a collection. Without namespace those of all namespaces. */
export interface Selection {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  /** Asks for the next page; undefined on the last. */
  readonly continueToken: string | undefined;
}

/** Keeps an answer of full pods around 5 MB, and a topology's objects in one page. */
export const pageLimit = 500;

/** Undefined when there is no such object. */
export async function getObject<T extends LiveObject>(
  client: KubeClient,
  resource: Resource<T>,
  ref: ObjectRef,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return await client.request<T>({ method: 'GET', path: pathOf(resource, ref), signal });
  } catch (error) {
    if (error instanceof ApiError && error.isNotFound) return undefined;
    throw error;
  }
}

/** One page of a collection; `limit` 0 asks for everything at once. */
export async function listPage<T extends LiveObject>(
  client: KubeClient,
  resource: Resource<T>,
  page: Selection & { readonly limit: number; readonly continueToken?: string | undefined },
  signal: AbortSignal,
): Promise<Page<T>> {
  const query = { ...selectionQuery(page), limit: page.limit, continue: page.continueToken };
  const path = pathOf(resource, page.namespace === undefined ? {} : { namespace: page.namespace });
  const list = await client.request<ListAnswer>({ method: 'GET', path, query, signal });
  const token = list?.metadata?.continue;
  return {
    // Items of a list carry neither kind nor apiVersion, the same objects in a watch do.
    items: readItems(list).map(
      (item) => ({ ...item, apiVersion: resource.apiVersion, kind: resource.kind }) as T,
    ),
    resourceVersion: readListVersion(list, path),
    continueToken: token === undefined || token === '' ? undefined : token,
  };
}

/** All objects of a selection, page by page. */
export async function listObjects<T extends LiveObject>(
  client: KubeClient,
  resource: Resource<T>,
  selection: Selection,
  signal: AbortSignal,
): Promise<T[]> {
  const items: T[] = [];
  let continueToken: string | undefined;
  do {
    const page = await listPage(client, resource, { ...selection, limit: pageLimit, continueToken }, signal);
    items.push(...page.items);
    continueToken = page.continueToken;
  } while (continueToken !== undefined);
  return items;
}

/** @throws ApiError `isAlreadyExists` when there is one of that name */
export function createObject<T extends KubeObject>(
  client: KubeClient,
  object: T,
  signal: AbortSignal,
): Promise<T & LiveObject> {
  const resource = resourceOf(object);
  const { namespace } = object.metadata;
  const path = pathOf(resource, namespace === undefined ? {} : { namespace });
  return client.request({ method: 'POST', path, query: managed(client), body: object, signal });
}

/**
 * Replaces an object whole. With `metadata.resourceVersion` only when nobody wrote it since.
 *
 * @throws ApiError `isConflict` when somebody did
 */
export function updateObject<T extends KubeObject>(
  client: KubeClient,
  object: T,
  signal: AbortSignal,
): Promise<T & LiveObject> {
  const path = pathOf(resourceOf(object), refOf(object));
  return client.request({ method: 'PUT', path, query: managed(client), body: object, signal });
}

export interface Deletion extends ObjectRef {
  /** Only when it is still this object and not another of the same name. */
  readonly uid?: string;
  /** Only when nobody wrote it since. */
  readonly resourceVersion?: string;
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan';
  readonly gracePeriodSeconds?: number;
}

/**
 * Deletes an object; false when there was none.
 *
 * @throws ApiError `isConflict` when a precondition does not hold
 */
export async function deleteObject(
  client: KubeClient,
  resource: Resource,
  deletion: Deletion,
  signal: AbortSignal,
): Promise<boolean> {
  const { uid, resourceVersion, propagation = 'Background', gracePeriodSeconds } = deletion;
  const body = {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    propagationPolicy: propagation,
    gracePeriodSeconds,
    preconditions: { uid, resourceVersion },
  };
  try {
    await client.request({ method: 'DELETE', path: pathOf(resource, deletion), body, signal });
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.isNotFound) return false;
    throw error;
  }
}

/** One step of RFC 6902. */
export interface JsonPatchStep {
  readonly op: 'add' | 'remove' | 'replace' | 'test';
  readonly path: string;
  readonly value?: unknown;
}

export interface PatchTarget extends ObjectRef {
  readonly subresource?: 'status' | 'scale';
}

/** Merges `patch` into the object (RFC 7386: null removes a key, arrays are replaced whole). */
export function mergePatch<T extends LiveObject>(
  client: KubeClient,
  resource: Resource<T>,
  target: PatchTarget,
  patch: object,
  signal: AbortSignal,
): Promise<T> {
  return sendPatch(client, resource, target, patch, 'application/merge-patch+json', signal);
}

/** Runs the steps in order or none of them; a `test` that fails is an ApiError with status 422. */
export function jsonPatch<T extends LiveObject>(
  client: KubeClient,
  resource: Resource<T>,
  target: PatchTarget,
  steps: readonly JsonPatchStep[],
  signal: AbortSignal,
): Promise<T> {
  return sendPatch(client, resource, target, steps, 'application/json-patch+json', signal);
}

function sendPatch<T extends LiveObject>(
  client: KubeClient,
  resource: Resource<T>,
  target: PatchTarget,
  body: unknown,
  contentType: string,
  signal: AbortSignal,
): Promise<T> {
  const path = pathOf(resource, target);
  return client.request({ method: 'PATCH', path, query: managed(client), body, contentType, signal });
}

/** The name of an object, with its namespace if it has one. */
export function refOf(object: { readonly metadata: ObjectRef }): ObjectRef {
  const { name, namespace } = object.metadata;
  return namespace === undefined ? { name } : { namespace, name };
}

/** The query of a list or a watch that sees this selection. */
export function selectionQuery(selection: Selection): Query {
  return { labelSelector: selection.labelSelector, fieldSelector: selection.fieldSelector };
}

function managed(client: KubeClient): Query {
  return { fieldManager: client.fieldManager };
}

type ListAnswer =
  | {
      readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
      readonly items?: unknown;
    }
  | undefined;

function readItems(list: ListAnswer): object[] {
  // Go writes an empty list as null now and then.
  return Array.isArray(list?.items) ? list.items : [];
}

function readListVersion(list: ListAnswer, path: string): string {
  const version = list?.metadata?.resourceVersion;
  if (typeof version === 'string' && version !== '') return version;
  throw new ApiError({ status: 0, reason: 'Garbage', message: `the list at ${path} has no resourceVersion` });
}
