// What a scope has written and seen, as text that another process can read:
// `<version>.<system>.<time of issue>.<timeline>/<position>.<signature>`, with the time in seconds since 1970 and the position in
// hexadecimal, or `<version>.<system>.<time of issue>.pending-<nonce>.<signature>` while there is no position for it yet. The nonce makes
// each of these another text, so that a process can remember when it first had it.
//
// Invariant: only a token that was signed with one of the given keys, for this topology and not long ago, changes anything. Whatever
// else a client sends is as if it had sent nothing: it can neither direct its reads to the primary nor break a request.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Lsn } from '../../postgres/lsn.ts';
import type { Position } from './lagView.ts';

const version = '3';

/** Several, joined by commas, are from a scope that has used several topologies. More than this is no token of ours. */
export const maxTokenLength = 1_024;

/**
 * A replica that serves is no further behind than `maxLagSeconds`, so after an hour it has what the token asks for. Short of that a
 * token may be sent again by whoever has it. Clocks of servers that differ by less do not matter, which is why it counts both ways.
 */
export const maxTokenAgeMs = 3_600_000;

export interface TokenContext {
  /** Of the topology, as PostgreSQL prints it; null while nobody has told. */
  readonly systemIdentifier: string | null;
  /** Time of day, in milliseconds since 1970: the only time that two processes share. */
  readonly wallMs: number;
}

/** Instead of a position that is not known yet. */
export interface PendingMark {
  /** Of letters, digits, `-` and `_`; no two tokens have the same. */
  readonly nonce: string;
}

/** `undefined` when there is nothing to tell. Signs with the first key. */
export function formatToken(
  what: Position | PendingMark,
  [key]: readonly string[],
  { systemIdentifier, wallMs }: TokenContext,
): string | undefined {
  if (key === undefined) return undefined;
  const said = 'nonce' in what ? `pending-${what.nonce}` : `${what.timeline}/${what.lsn.toString(16)}`;
  const body = [version, nameOf(systemIdentifier), Math.floor(wallMs / 1_000).toString(16), said].join('.');
  return `${body}.${sign(body, key)}`;
}

export type TokenReading =
  | { readonly kind: 'position'; readonly position: Position }
  /** Asks for everything that had happened when it came. */
  | { readonly kind: 'pending' }
  /** Of another topology: not for this reader, and nothing is wrong with it. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'invalid'; readonly reason: string };

/** Reads one token. Any of the keys may have signed it, so that keys can be changed without forgetting what is under way. */
export function parseToken(text: string, keys: readonly string[], context: TokenContext): TokenReading {
  const invalid = (reason: string) => ({ kind: 'invalid', reason }) as const;
  if (keys.length === 0) return invalid('there is no key to check tokens with');
  const pattern =
    /^((\d+)\.([\w-]{11}|)\.([0-9a-f]{1,11})\.(?:pending-[\w-]{1,40}|(\d{1,10})\/([0-9a-f]{1,16})))\.([\w-]{43})$/;
  const [, body, itsVersion, system = '', issued = '', timeline, lsn, signature] = pattern.exec(text) ?? [];
  if (body === undefined || signature === undefined) return invalid('it is not a token');
  if (itsVersion !== version) return invalid(`its version is ${itsVersion}, not ${version}`);
  if (!keys.some((key) => isSignedBy(key, body, signature))) return invalid('its signature is not ours');
  const ageMs = Math.abs(context.wallMs - Number.parseInt(issued, 16) * 1_000);
  if (ageMs > maxTokenAgeMs) return invalid('it is too old');
  const ours = nameOf(context.systemIdentifier);
  // One of ours, but nobody can say of which topology: the time at which it came is later than whatever it speaks of.
  if (system === '' || ours === '') return { kind: 'pending' };
  if (system !== ours) return { kind: 'foreign' };
  if (timeline === undefined || lsn === undefined) return { kind: 'pending' };
  return { kind: 'position', position: { timeline: Number(timeline), lsn: BigInt(`0x${lsn}`) as Lsn } };
}

export type TextReading = TokenReading & { readonly text: string };

/** The tokens of one header or cookie. */
export function parseTokens(
  text: string,
  keys: readonly string[],
  context: TokenContext,
): readonly TextReading[] {
  if (text.length > maxTokenLength)
    return [{ kind: 'invalid', reason: `it is longer than ${maxTokenLength} characters`, text: '' }];
  const parts = text.split(',').map((part) => part.trim());
  return parts
    .filter((part) => part !== '')
    .map((part) => ({ ...parseToken(part, keys, context), text: part }));
}

/** Short, and the same for one system only. Clients need not learn the identifier itself. */
function nameOf(systemIdentifier: string | null): string {
  if (systemIdentifier === null) return '';
  return createHash('sha256').update(systemIdentifier).digest('base64url').slice(0, 11);
}

function sign(body: string, key: string): string {
  return createHmac('sha256', key).update(body).digest('base64url');
}

function isSignedBy(key: string, body: string, signature: string): boolean {
  return timingSafeEqual(Buffer.from(sign(body, key)), Buffer.from(signature));
}
