// The effects, one case for each. No other file of this folder writes to the cluster.

import { apiVersion, kind, labels, objectNames } from '../api/names.ts';
import type { ReplicatedPostgresStatus } from '../api/replicatedPostgresStatus.ts';
import { ApiError } from '../kube/apiError.ts';
import { applyStatus } from '../kube/apply.ts';
import { ensureObject } from '../kube/ensure.ts';
import type { KubeObject, LiveObject } from '../kube/kubeObject.ts';
import { readLease } from '../kube/lease.ts';
import { makeObject } from '../kube/makeObject.ts';
import { resourceOf, resources } from '../kube/resources.ts';
import { deleteObject, mergePatch, refOf } from '../kube/verbs.ts';
import type { Action } from '../plan/action.ts';
import type { Manifest, Observed } from '../plan/observed.ts';
import type { Deps } from './deps.ts';
import { rememberCredentials } from './observeCredentials.ts';
import { recordEvent, topologyUidOf } from './recordEvent.ts';
import { forgetRefusal, isRefusal, recordRefusal } from './refusals.ts';
import { StaleFacts } from './staleFacts.ts';

/** Does one thing. What the API server answers is taken into the stores at once, so that the next cycle sees it. */
export async function execute(
  action: Action,
  observed: Observed,
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  const key = `${observed.key.namespace}/${observed.key.name}`;
  switch (action.kind) {
    case 'renewCredentials':
      if (observed.resource.kind === 'valid')
        await rememberCredentials(key, observed.resource.topology, deps);
      return;
    case 'applyObject':
      return applyDesired(action.object, observed, deps, signal);
    case 'deleteObject':
      return deleteManifest(action.object, observed, deps, signal);
    case 'deleteClaim': {
      const { name, uid } = action;
      const { namespace } = observed.key;
      await deleteObject(deps.client, resources.PersistentVolumeClaim, { namespace, name, uid }, signal);
      return;
    }
    case 'labelClaim':
      return labelClaim(action, observed, deps, signal);
    case 'ownClaim':
      return ownClaim(action, observed, deps, signal);
    case 'growClaim':
      return growClaim(action, observed, deps, signal);
    case 'labelRoutable':
      return labelPod(action, observed, deps, signal);
    case 'applyStatus':
      return writeStatus(action.status, observed, deps, signal);
    case 'recordEvent':
      return recordEvent(action.event, observed, deps);
    case 'rememberFarewell':
      deps.memory.of(key).hasSaidFarewell = true;
      return;
    case 'forgetTopology':
      deps.probes.forget(key);
      // While something of it is left its end has been told, and is not told again.
      if (observed.live.length + observed.claims.length === 0) deps.memory.forget(key);
      else deps.memory.of(key).hasSaidFarewell = true;
      return;
  }
}

async function applyDesired(
  desired: Manifest,
  observed: Observed,
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  const live = observed.live.find(
    (it) => it.kind === desired.kind && it.metadata.name === desired.metadata.name,
  );
  const about = { topology: observed.key, object: `${desired.kind}/${desired.metadata.name}` };
  try {
    if (live === undefined) return await makeDesired(desired as KubeObject, observed, deps, signal);
    const ensured = await ensureObject(deps.client, desired as KubeObject, live as KubeObject, signal);
    forgetRefusal(desired, observed, deps);
    if (ensured.kind === 'unchanged') return;
    deps.watches.note(ensured.object);
    deps.log.info({ ...about, difference: ensured.difference }, 'object applied');
    if (ensured.remaining !== undefined) {
      deps.log.warn({ ...about, remaining: ensured.remaining }, 'something else changes what we write');
    }
  } catch (error) {
    // What can never succeed must not keep the rest from being done: readers still need their endpoints.
    if (!isRefusal(error)) throw error;
    deps.log.error({ ...about, err: error }, 'the API server refuses an object for good');
    // What an admission webhook says of a Secret may quote what is in it.
    recordRefusal(desired, desired.kind === 'Secret' ? error.reason : error.message, observed, deps);
  }
}

/**
 * Makes an object that no watch has shown. One that is there nevertheless has lost its label, or is somebody else's:
 * the first gets its label back and is looked at again in the next cycle, the second is left alone.
 */
async function makeDesired(
  desired: KubeObject,
  observed: Observed,
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  const object = `${desired.kind}/${desired.metadata.name}`;
  const made = await makeObject(deps.client, desired, signal);
  if (made.kind === 'made') {
    deps.watches.note(made.object);
    forgetRefusal(desired, observed, deps);
    deps.log.info({ topology: observed.key, object }, 'object made');
    return;
  }
  const { uid, ownerReferences = [] } = made.object.metadata;
  const topologyUid = topologyUidOf(observed);
  if (topologyUid === undefined || !ownerReferences.some((it) => it.uid === topologyUid)) {
    recordRefusal(desired, 'one that is not of this topology is in its place, delete it', observed, deps);
    return;
  }
  const patch = { metadata: { uid, labels: desired.metadata.labels } };
  const resource = resourceOf(desired);
  deps.watches.note(await mergePatch(deps.client, resource, refOf(desired), patch, signal));
  deps.log.warn({ topology: observed.key, object }, 'object had lost its labels and has got them back');
  if (desired.kind !== 'Secret') return;
  // Everything else of this cycle was built with other credentials than those that have just been found.
  throw new StaleFacts(`Secret ${desired.metadata.name} was there, without its label`);
}

async function deleteManifest(
  object: Manifest,
  observed: Observed,
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  const { uid } = object.metadata;
  if (object.kind === 'StatefulSet')
    await refuseToRemovePrimary(object.metadata.name, observed, deps, signal);
  const resource = resourceOf(object as KubeObject);
  await deleteObject(
    deps.client,
    resource,
    { ...refOf(object), ...(uid === undefined ? {} : { uid }) },
    signal,
  );
  deps.log.info({ object: `${object.kind}/${object.metadata.name}` }, 'object deleted');
}

/** The watch may be late; the last word on who is primary is the Lease itself. */
async function refuseToRemovePrimary(
  instance: string,
  observed: Observed,
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name } = observed.key;
  const lease = await readLease(deps.client, { namespace, name: objectNames(name).primaryLease }, signal);
  if (lease?.spec?.holderIdentity !== instance) return;
  const message = `${instance} is not removed, because it has become the primary`;
  recordEvent({ type: 'Warning', reason: 'ScaleDownHeld', message }, observed, deps);
  throw new ApiError({ status: 409, reason: 'Conflict', message });
}

async function labelClaim(
  { name, uid }: Extract<Action, { kind: 'labelClaim' }>,
  observed: Observed,
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  const patch = { metadata: { uid, labels: { [labels.topologyUid]: topologyUidOf(observed) } } };
  const target = { namespace: observed.key.namespace, name };
  await writeIfThere(mergePatch(deps.client, resources.PersistentVolumeClaim, target, patch, signal), deps);
}

/** The owner references of others stay as they are, and are written over only as they were read. */
async function ownClaim(
  { name, uid, isOwned }: Extract<Action, { kind: 'ownClaim' }>,
  { key, resource }: Observed,
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  const live = deps.watches.named('PersistentVolumeClaim', `${key.namespace}/${key.name}`, name);
  if (resource.kind !== 'valid' || live?.metadata.uid !== uid) return;
  const { metadata } = resource.topology;
  const owner = { apiVersion, kind, name: metadata.name, uid: metadata.uid, blockOwnerDeletion: false };
  const others = live.metadata.ownerReferences?.filter((it) => it.uid !== metadata.uid) ?? [];
  const ownerReferences = isOwned ? [...others, owner] : others;
  const { resourceVersion } = live.metadata;
  const patch = { metadata: { uid, resourceVersion, ownerReferences } };
  const target = { namespace: key.namespace, name };
  await writeIfThere(mergePatch(deps.client, resources.PersistentVolumeClaim, target, patch, signal), deps);
}

async function growClaim(
  { name, uid, size }: Extract<Action, { kind: 'growClaim' }>,
  observed: Observed,
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  const { namespace } = observed.key;
  const patch = { metadata: { uid }, spec: { resources: { requests: { storage: size } } } };
  try {
    await writeIfThere(
      mergePatch(deps.client, resources.PersistentVolumeClaim, { namespace, name }, patch, signal),
      deps,
    );
    recordEvent(
      { type: 'Normal', reason: 'VolumeGrows', message: `the volume ${name} grows to ${size}` },
      observed,
      deps,
    );
  } catch (error) {
    if (!isRefusal(error)) throw error;
    deps.memory.of(`${namespace}/${observed.key.name}`).refusedSizes.set(uid, { size, at: deps.clock.now() });
    const message = `the volume ${name} cannot grow to ${size}: ${error.message}`;
    recordEvent({ type: 'Warning', reason: 'VolumeCannotGrow', message }, observed, deps);
  }
}

async function labelPod(
  { pod, uid, isRoutable }: Extract<Action, { kind: 'labelRoutable' }>,
  { key }: Observed,
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  const patch = { metadata: { uid, labels: { [labels.routable]: String(isRoutable) } } };
  const target = { namespace: key.namespace, name: pod };
  await writeIfThere(mergePatch(deps.client, resources.Pod, target, patch, signal), deps);
}

async function writeStatus(
  status: ReplicatedPostgresStatus,
  observed: Observed,
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  // With the uid it is refused when another one of the same name has come since.
  const uid = topologyUidOf(observed);
  const metadata = { ...observed.key, ...(uid === undefined ? {} : { uid }) };
  const object = { apiVersion, kind, metadata, status };
  await writeIfThere(applyStatus(deps.client, object, signal), deps);
  deps.memory.of(`${observed.key.namespace}/${observed.key.name}`).statusWrittenAt = deps.clock.now();
}

/** An object that has gone in the meantime, or is another one of the same name, is news that the next cycle will see. */
async function writeIfThere(write: Promise<LiveObject>, deps: Deps): Promise<void> {
  try {
    deps.watches.note(await write);
  } catch (error) {
    if (error instanceof ApiError && (error.isNotFound || error.isConflict)) return;
    throw error;
  }
}
