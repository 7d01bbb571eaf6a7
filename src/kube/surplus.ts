// What is wrong with the lists of an object in the cluster: elements that nobody wanted, and lists that are altogether others. Pure.

import { isMap, isWantedElement } from './differs.ts';
import type { KubeObject } from './kubeObject.ts';

/** An element too many: a JSON pointer to it, and what it is. */
export interface Surplus {
  readonly path: string;
  readonly element: unknown;
}

/** A list as it is and as we want it. */
export interface ChangedList {
  readonly path: string;
  readonly live: readonly unknown[];
  readonly desired: readonly unknown[];
}

/**
 * The elements too many, last first, so that they can be removed in this order.
 *
 * Only lists that we name, and only when one is longer than wanted. Finalizers and owner references are left alone:
 * others add theirs for good reasons.
 */
export function findSurplus(desired: KubeObject, live: KubeObject): Surplus[] {
  const { metadata: _, ...wanted } = desired;
  return surplusOf(wanted, live, '', '');
}

function surplusOf(desired: unknown, live: unknown, path: string, name: string): Surplus[] {
  if (Array.isArray(desired) && Array.isArray(live)) return surplusOfList(desired, live, path, name);
  if (!isMap(desired) || !isMap(live)) return [];
  return Object.entries(desired).flatMap(([key, value]) =>
    surplusOf(value, live[key], `${path}/${escapeKey(key)}`, key),
  );
}

/**
 * The outermost lists that are in the cluster and differ from what we want there, with what we want.
 *
 * Metadata is left out, as above.
 */
export function findChangedLists(desired: KubeObject, live: KubeObject): ChangedList[] {
  const { metadata: _, ...wanted } = desired;
  return changedListsOf(wanted, live, '', '');
}

function changedListsOf(desired: unknown, live: unknown, path: string, name: string): ChangedList[] {
  if (Array.isArray(desired) && Array.isArray(live)) {
    return isWantedElement(desired, live, name) ? [] : [{ path, live, desired }];
  }
  if (!isMap(desired) || !isMap(live)) return [];
  return Object.entries(desired).flatMap(([key, value]) =>
    changedListsOf(value, live[key], `${path}/${escapeKey(key)}`, key),
  );
}

/** A key as a JSON pointer writes it. */
function escapeKey(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function surplusOfList(desired: unknown[], live: unknown[], path: string, name: string): Surplus[] {
  const { pairs, extra } = match(desired, live, name);
  const inside = pairs.flatMap(([index, value]) => surplusOf(value, live[index], `${path}/${index}`, name));
  // Removing an element moves those behind it, so what is deeper goes first and then the elements from the end.
  return [...inside, ...extra.reverse().map((index) => ({ path: `${path}/${index}`, element: live[index] }))];
}

/** Pairs each element in the cluster with the first unpaired one that asked for it: the same name, or a part of it. */
function match(
  desired: unknown[],
  live: unknown[],
  name: string,
): { pairs: [number, unknown][]; extra: number[] } {
  const left = [...desired];
  const pairs: [number, unknown][] = [];
  const extra: number[] = [];
  for (const [index, element] of live.entries()) {
    const found = left.findIndex((wanted) => isSameElement(wanted, element, name));
    if (found === -1) extra.push(index);
    else pairs.push([index, left.splice(found, 1)[0]]);
  }
  return { pairs, extra: live.length > desired.length ? extra : [] };
}

function isSameElement(wanted: unknown, element: unknown, listName: string): boolean {
  if (isMap(wanted) && isMap(element) && wanted['name'] !== undefined)
    return wanted['name'] === element['name'];
  return isWantedElement(wanted, element, listName);
}
