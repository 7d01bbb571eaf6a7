// A mark on every object that we apply: the hash of what we wanted. When it is another one, something that we wanted
// earlier may still be there, and only the server's record of our fields can take it away.

import { createHash } from 'node:crypto';
import type { KubeObject } from './kubeObject.ts';

/** Where the hash is kept. */
export const appliedAnnotation = 'replica-manager.io/applied';

/** 64 bits: two states of one object by accident alike are out of the question, and it stays readable. */
const hashCharacters = 16;

/** The object with its hash in an annotation. Doing it twice changes nothing. */
export function withAppliedHash<T extends KubeObject>(object: T): T {
  const annotations = { ...object.metadata.annotations, [appliedAnnotation]: appliedHash(object) };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** The hash of what is wanted, its own annotation left out. The order of keys does not matter, that of lists does. */
export function appliedHash(object: KubeObject): string {
  const { [appliedAnnotation]: _, ...annotations } = object.metadata.annotations ?? {};
  const metadata = { ...object.metadata, annotations };
  return createHash('sha256')
    .update(canonicalJson({ ...object, metadata }))
    .digest('hex')
    .slice(0, hashCharacters);
}

export function annotatedHash(live: KubeObject): string | undefined {
  return live.metadata.annotations?.[appliedAnnotation];
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, it: unknown) => {
    if (typeof it !== 'object' || it === null || Array.isArray(it)) return it;
    return Object.fromEntries(Object.entries(it).sort(([left], [right]) => (left < right ? -1 : 1)));
  });
}
