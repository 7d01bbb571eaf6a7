import { assert } from '../lib/assert.ts';

declare const lsnBrand: unique symbol;
/** A position in the write-ahead log, in bytes. Comparable with `<` within one timeline. */
export type Lsn = bigint & { readonly [lsnBrand]: true };

/** `16/B374D848` → position. Throws on anything else; source: PostgreSQL documentation, 8.20 pg_lsn. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) throw new Error(`"${text}" is not a WAL position`);
  return ((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)) as Lsn;
}

export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`;
}

/** Bytes from `behind` to `ahead`; 0 when `behind` is not behind. */
export function lagBytes(ahead: Lsn, behind: Lsn): number {
  const bytes = ahead > behind ? Number(ahead - behind) : 0;
  assert(Number.isFinite(bytes), 'a distance between WAL positions is finite');
  return bytes;
}
