// Reading and writing one Lease. Every write names the version it builds on, so that of two writers exactly one succeeds.
//
// Shared by the operator's own election and by the agents' primary Lease; what a Lease means is theirs to say.

import { ApiError } from './apiError.ts';
import type { KubeClient } from './client.ts';
import type { ObjectMeta, ObjectRef } from './kubeObject.ts';
import { type Lease, resources } from './resources.ts';
import { createObject, getObject, updateObject } from './verbs.ts';

export interface LeaseSpec {
  /** Empty or missing: nobody holds it. */
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  /** How often the holder has changed. */
  readonly leaseTransitions?: number;
  /** MicroTime; for people to read, never compared. See `microTime`. */
  readonly acquireTime?: string;
  readonly renewTime?: string;
}

/** A Lease as we want to write it. */
export interface LeaseContent {
  readonly spec: LeaseSpec;
  /** Replaces all annotations. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * What became of a write. `refused` means that somebody else was faster: it exists already, it has changed, it is gone.
 *
 * Anything else is thrown, and after a throw with status 0 the write may or may not have happened: read again.
 */
export type LeaseWrite =
  | { readonly kind: 'written'; readonly lease: Lease }
  | { readonly kind: 'refused'; readonly reason: 'exists' | 'changed' | 'gone' };

/** Undefined when there is none. */
export function readLease(
  client: KubeClient,
  ref: ObjectRef,
  signal: AbortSignal,
): Promise<Lease | undefined> {
  return getObject(client, resources.Lease, ref, signal);
}

/** Makes a Lease that must not exist yet. */
export async function createLease(
  client: KubeClient,
  metadata: ObjectMeta,
  content: LeaseContent,
  signal: AbortSignal,
): Promise<LeaseWrite> {
  const annotations = { ...metadata.annotations, ...content.annotations };
  const lease = { ...leaseKind, metadata: { ...metadata, annotations }, spec: content.spec };
  return write(createObject(client, lease, signal));
}

/** Writes over `read`, only if nobody has written since. Fields of the spec that `content` does not name stay. */
export async function updateLease(
  client: KubeClient,
  read: Lease,
  content: LeaseContent,
  signal: AbortSignal,
): Promise<LeaseWrite> {
  const { managedFields: _, ...metadata } = read.metadata;
  const annotations = content.annotations ?? metadata.annotations ?? {};
  const spec = { ...read.spec, ...content.spec };
  return write(updateObject(client, { ...leaseKind, metadata: { ...metadata, annotations }, spec }, signal));
}

/** `2026-11-23T10:00:00.000000Z`: the API server insists on six digits after the point. */
export function microTime(date: Date): string {
  return date.toISOString().replace('Z', '000Z');
}

const leaseKind = { apiVersion: resources.Lease.apiVersion, kind: resources.Lease.kind } as const;

async function write(written: Promise<Lease>): Promise<LeaseWrite> {
  try {
    return { kind: 'written', lease: await written };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.isAlreadyExists) return { kind: 'refused', reason: 'exists' };
    if (error.isConflict) return { kind: 'refused', reason: 'changed' };
    if (error.isNotFound) return { kind: 'refused', reason: 'gone' };
    throw error;
  }
}
