// What a scope has written and seen, as text that another process can read: `<version>.<timeline>/<position>.<signature>`, with the
// position in hexadecimal, or `<version>.pending.<signature>` while there is no position for it yet.
//
// Invariant: only a token that was signed with one of the given keys is believed. Anything else asks for everything that had
// happened when it came, which is more than any real token of the past can ask for. So a forged one gains nothing but some reads
// of the primary, until its next sample, and a client cannot break requests with garbage; a key that was changed costs no more.

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Lsn } from '../../postgres/lsn.ts';
import type { Position } from './lagView.ts';

const version = '1';

/** Several, joined by commas, are from a scope that has used several topologies. More than this is no token of ours. */
export const maxTokenLength = 1_024;

/** `undefined` when there is nothing to tell. Signs with the first key. */
export function formatToken(position: Position | 'pending', [key]: readonly string[]): string | undefined {
  if (key === undefined) return undefined;
  const body =
    position === 'pending'
      ? `${version}.pending`
      : `${version}.${position.timeline}/${position.lsn.toString(16)}`;
  return `${body}.${sign(body, key)}`;
}

export type TokenReading =
  | { readonly kind: 'position'; readonly position: Position }
  | { readonly kind: 'pending' }
  | { readonly kind: 'invalid'; readonly reason: string };

/** Reads one token. Any of the keys may have signed it, so that keys can be changed without forgetting what is under way. */
export function parseToken(text: string, keys: readonly string[]): TokenReading {
  const invalid = (reason: string) => ({ kind: 'invalid', reason }) as const;
  if (keys.length === 0) return invalid('there is no key to check tokens with');
  const match = /^((\d+)\.(?:pending|(\d{1,10})\/([0-9a-f]{1,16})))\.([\w-]{43})$/.exec(text);
  const [, body, itsVersion, timeline, lsn, signature] = match ?? [];
  if (body === undefined || signature === undefined) return invalid('it is not a token');
  if (itsVersion !== version) return invalid(`its version is ${itsVersion}, not ${version}`);
  if (!keys.some((key) => isSignedBy(key, body, signature))) return invalid('its signature is not ours');
  if (timeline === undefined || lsn === undefined) return { kind: 'pending' };
  return { kind: 'position', position: { timeline: Number(timeline), lsn: BigInt(`0x${lsn}`) as Lsn } };
}

/** The tokens of one header or cookie. */
export function parseTokens(text: string, keys: readonly string[]): readonly TokenReading[] {
  if (text.length > maxTokenLength)
    return [{ kind: 'invalid', reason: `it is longer than ${maxTokenLength} characters` }];
  const parts = text.split(',').map((part) => part.trim());
  return parts.filter((part) => part !== '').map((part) => parseToken(part, keys));
}

function sign(body: string, key: string): string {
  return createHmac('sha256', key).update(body).digest('base64url');
}

function isSignedBy(key: string, body: string, signature: string): boolean {
  return timingSafeEqual(Buffer.from(sign(body, key)), Buffer.from(signature));
}
