// Whether an object in the cluster is what we want it to be. In: what we would apply, what is there. Out: the first difference.
//
// Invariant: what the API server makes of an object that we applied does not differ from it, or we would write for ever;
// what somebody has changed by hand in a field that we name does, or it would never be mended.
//
// The server fills in defaults, drops empty values and rewrites quantities. So what we want is compared as a part of what is
// there: maps by our keys, lists element by element. Lists must have our length, and selectors exactly our keys, because
// one element or key more changes what they mean.

import { annotatedHash, appliedHash } from './appliedHash.ts';
import type { KubeObject } from './kubeObject.ts';
import { parseNanos } from './quantity.ts';

/** True when applying `desired` would change `live`. */
export function differs(desired: KubeObject, live: KubeObject): boolean {
  return findDifference(desired, live) !== undefined;
}

/**
 * The first difference as a path for the log, without values, because some of them are secret. Undefined when there is none.
 *
 * `desired` may carry the annotation of `withAppliedHash` or not; `live` must carry the right one.
 */
export function findDifference(desired: KubeObject, live: KubeObject): string | undefined {
  const found = compareMaps({ ...withPlainSecret(desired) }, { ...live }, '', 'object');
  if (found !== undefined) return found;
  // A field that we wanted earlier and no longer name is in `live` still, and looks like anybody's.
  return annotatedHash(live) === appliedHash(desired)
    ? undefined
    : 'what was applied last is not what is wanted now';
}

/** The API server turns `stringData` into `data` and never shows it. */
function withPlainSecret(desired: KubeObject): object {
  if (desired.kind !== 'Secret' || !('stringData' in desired)) return desired;
  const { stringData, ...rest } = desired as KubeObject & SecretData;
  const encoded = Object.entries(stringData ?? {}).map(([key, text]) => [
    key,
    Buffer.from(text).toString('base64'),
  ]);
  return { ...rest, data: { ...rest.data, ...Object.fromEntries(encoded) } };
}

interface SecretData {
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
}

type JsonMap = Readonly<Record<string, unknown>>;

function compareMaps(desired: JsonMap, live: JsonMap, path: string, name: string): string | undefined {
  if (exactMaps.has(name)) {
    const extra = Object.keys(live).find((key) => !(key in desired));
    if (extra !== undefined) return pathTo(path, extra);
  }
  for (const [key, value] of Object.entries(desired)) {
    const found = compareValues(value, live[key], pathTo(path, key), { name: key, parent: name });
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Where a value stands: the key it is under, and the key of the map that holds it. */
interface Where {
  readonly name: string;
  readonly parent: string;
}

function compareValues(desired: unknown, live: unknown, path: string, where: Where): string | undefined {
  if (desired === undefined || desired === null) return undefined;
  if (live === undefined || live === null) return isLeftOutByServer(desired, where) ? undefined : path;
  if (Array.isArray(desired)) {
    return Array.isArray(live) ? compareLists(desired, live, path, where) : path;
  }
  if (isMap(desired)) return isMap(live) ? compareMaps(desired, live, path, where.name) : path;
  return isSameScalar(desired, live, where) ? undefined : path;
}

function compareLists(
  desired: readonly unknown[],
  live: readonly unknown[],
  path: string,
  where: Where,
): string | undefined {
  if (desired.length !== live.length) return path;
  for (const [index, value] of desired.entries()) {
    const found = compareValues(value, live[index], `${path}[${index}]`, where);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** True when `element` of a list in the cluster is one that we want, with whatever the server added to it. */
export function isWantedElement(desired: unknown, element: unknown, listName: string): boolean {
  return compareValues(desired, element, '', { name: listName, parent: '' }) === undefined;
}

function isSameScalar(desired: unknown, live: unknown, where: Where): boolean {
  if (desired === live) return true;
  const isText = (value: unknown) => typeof value === 'string' || typeof value === 'number';
  if (!isText(desired) || !isText(live)) return false;
  // A port or a percentage may be a number or text, and comes back as whichever the server prefers.
  if (String(desired) === String(live)) return true;
  if (!quantityMaps.has(where.parent) && !quantityFields.has(where.name)) return false;
  const nanos = parseNanos(desired as string | number);
  return nanos !== undefined && nanos === parseNanos(live as string | number);
}

/** Values that come back as nothing at all, although nobody changed anything. */
function isLeftOutByServer(desired: unknown, where: Where): boolean {
  if (desired === '') return true;
  if (Array.isArray(desired)) return desired.length === 0;
  if (isMap(desired)) return Object.keys(desired).length === 0 && emptyMaps.has(where.name);
  return (desired === false || desired === 0) && zeroFields.has(where.name);
}

/** Always replaced as a whole by the server, and never given defaults. */
const exactMaps: ReadonlySet<string> = new Set(['selector', 'matchLabels', 'nodeSelector']);

/** Their values are quantities, whatever their keys are. */
const quantityMaps: ReadonlySet<string> = new Set(['requests', 'limits', 'capacity', 'hard']);
const quantityFields: ReadonlySet<string> = new Set(['sizeLimit', 'divisor', 'averageValue']);

/** Plain maps, which are left out when empty. An empty `emptyDir` or `securityContext` is not a map but a statement. */
const emptyMaps: ReadonlySet<string> = new Set([
  'annotations',
  'binaryData',
  'data',
  'labels',
  'limits',
  'matchLabels',
  'nodeSelector',
  'requests',
  'selector',
]);

/**
 * Fields for which the API has no way to tell zero from unset. In all others `false` and 0 are kept, and matter:
 * `allowPrivilegeEscalation: false` that is gone is a hole.
 */
const zeroFields: ReadonlySet<string> = new Set([
  'hostIPC',
  'hostNetwork',
  'hostPID',
  'initialDelaySeconds',
  'minReadySeconds',
  'paused',
  'publishNotReadyAddresses',
  'readOnly',
  'stdin',
  'stdinOnce',
  'tty',
]);

/** A JSON object: neither a list nor null. */
export function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function pathTo(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
