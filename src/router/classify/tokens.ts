// What the lexer tells apart: kinds of tokens, and the words of SQL that decide where a statement may run.
// A word that is not listed here is a name. Both are small integers, because the lexer hands out one of each
// per token and runs in front of every query.

export const END = 0;
export const WORD = 1;
export const QUOTED = 2;
export const STRING = 3;
export const NUMBER = 4;
export const PARAMETER = 5;
export const OPEN = 6;
export const CLOSE = 7;
export const OPEN_BRACKET = 8;
export const CLOSE_BRACKET = 9;
export const COMMA = 10;
export const DOT = 11;
export const SEMICOLON = 12;
/** `::`, after which a word is a type whatever it is spelled like. */
export const CAST = 13;
export const OPERATOR = 14;
/** Text that PostgreSQL would not read either, or that ends inside a literal or a comment. */
export const UNREADABLE = 15;

// PostgreSQL's reserved words: no function can be called so without quotes, so a parenthesis after one of
// them opens no call. The list is the one of PostgreSQL 18; `system_user` is reserved since 16.
const reserved = `
  all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
  current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc
  distinct do else end except false fetch for foreign from grant group having in initially intersect into
  lateral leading limit localtime localtimestamp not null offset on only or order placing primary references
  returning select session_user some symmetric system_user table then to trailing true union unique user using
  variadic when where window with`;

// Words that are names elsewhere, and mean something to the rules in one place.
const unreserved = `
  bit by char character columns content cube delete document escape first grouping ilike insert interval join key
  like local materialized merge nchar next no operator ordinality over overlaps overlay partition passing pg_temp
  recursive rollup second sets share substring tablesample temp temporary time update value values varying
  version zone`;

const words = `${reserved} ${unreserved}`.trim().split(/\s+/);
const reservedCount = reserved.trim().split(/\s+/).length;

const keywordNumbers = new Map(words.map((word, index) => [word.toUpperCase(), index + 1]));

/** The number of a listed word; asking for another is a bug, found when the module is loaded. */
function keyword(word: string): number {
  const found = keywordNumbers.get(word);
  if (found === undefined) throw new Error(`"${word}" is not a listed word`);
  return found;
}

export const ALL = keyword('ALL');
export const AS = keyword('AS');
export const BIT = keyword('BIT');
export const BY = keyword('BY');
export const CHAR = keyword('CHAR');
export const CHARACTER = keyword('CHARACTER');
export const COLUMNS = keyword('COLUMNS');
export const CONTENT = keyword('CONTENT');
export const CUBE = keyword('CUBE');
export const DELETE = keyword('DELETE');
export const DISTINCT = keyword('DISTINCT');
export const DOCUMENT = keyword('DOCUMENT');
export const ESCAPE = keyword('ESCAPE');
export const EXCEPT = keyword('EXCEPT');
export const FETCH = keyword('FETCH');
export const FIRST = keyword('FIRST');
export const FOR = keyword('FOR');
export const FROM = keyword('FROM');
export const GROUP = keyword('GROUP');
export const GROUPING = keyword('GROUPING');
export const HAVING = keyword('HAVING');
export const ILIKE = keyword('ILIKE');
export const INSERT = keyword('INSERT');
export const INTERSECT = keyword('INTERSECT');
export const INTERVAL = keyword('INTERVAL');
export const INTO = keyword('INTO');
export const JOIN = keyword('JOIN');
export const KEY = keyword('KEY');
export const LIKE = keyword('LIKE');
export const LIMIT = keyword('LIMIT');
export const LOCAL = keyword('LOCAL');
export const MATERIALIZED = keyword('MATERIALIZED');
export const MERGE = keyword('MERGE');
export const NCHAR = keyword('NCHAR');
export const NEXT = keyword('NEXT');
export const NO = keyword('NO');
export const NOT = keyword('NOT');
export const ON = keyword('ON');
export const OPERATOR_WORD = keyword('OPERATOR');
export const ONLY = keyword('ONLY');
export const ORDER = keyword('ORDER');
export const ORDINALITY = keyword('ORDINALITY');
export const OVER = keyword('OVER');
export const OVERLAPS = keyword('OVERLAPS');
export const OVERLAY = keyword('OVERLAY');
export const PARTITION = keyword('PARTITION');
export const PASSING = keyword('PASSING');
export const PG_TEMP = keyword('PG_TEMP');
export const RECURSIVE = keyword('RECURSIVE');
export const ROLLUP = keyword('ROLLUP');
export const SECOND = keyword('SECOND');
export const SELECT = keyword('SELECT');
export const SETS = keyword('SETS');
export const SHARE = keyword('SHARE');
export const SUBSTRING = keyword('SUBSTRING');
export const TABLE = keyword('TABLE');
export const TABLESAMPLE = keyword('TABLESAMPLE');
export const TEMP = keyword('TEMP');
export const TEMPORARY = keyword('TEMPORARY');
export const TIME = keyword('TIME');
export const TO = keyword('TO');
export const TRUE = keyword('TRUE');
export const UNION = keyword('UNION');
export const UPDATE = keyword('UPDATE');
export const VALUE = keyword('VALUE');
export const VALUES = keyword('VALUES');
export const VARYING = keyword('VARYING');
export const VERSION = keyword('VERSION');
export const WINDOW = keyword('WINDOW');
export const WITH = keyword('WITH');
export const ZONE = keyword('ZONE');

export function isReserved(word: number): boolean {
  return word !== 0 && word <= reservedCount;
}

/** Letters in both cases fold to one code, which is all that comparing words of ASCII needs. */
export const fold = (code: number): number => code | 32;

const longest = Math.max(...words.map((word) => word.length));
const slotCount = 2_048;
const slots = new Uint8Array(slotCount);
const hashes = new Int32Array(words.length + 1);
/** Where the letters of each word begin in `letters`; those of the next one begin where they end. */
const offsets = new Uint16Array(words.length + 2);
const letters = Uint8Array.from(words.join(''), (letter) => fold(letter.charCodeAt(0)));
for (const [index, word] of words.entries()) {
  const number = index + 1;
  const start = offsets[number] ?? 0;
  const hash = letters.slice(start, start + word.length).reduce(mix, 0);
  let slot = hash & (slotCount - 1);
  while (slots[slot] !== 0) slot = (slot + 1) & (slotCount - 1);
  slots[slot] = number;
  hashes[number] = hash;
  offsets[number + 1] = start + word.length;
}

/** Adds a folded letter to the hash of a word. */
export function mix(hash: number, letter: number): number {
  return (Math.imul(hash, 31) + letter) | 0;
}

/** The number of the word between two positions, 0 when it is not listed. `hash` is made while scanning it. */
export function keywordBetween(sql: string, start: number, end: number, hash: number): number {
  if (end - start > longest) return 0;
  for (let slot = hash & (slotCount - 1); ; slot = (slot + 1) & (slotCount - 1)) {
    const number = slots[slot] ?? 0;
    if (number === 0) return 0;
    if (hashes[number] === hash && isSpelled(sql, start, end, number)) return number;
  }
}

/** Equal hashes are no proof. */
function isSpelled(sql: string, start: number, end: number, number: number): boolean {
  const offset = offsets[number] ?? 0;
  if ((offsets[number + 1] ?? 0) - offset !== end - start) return false;
  for (let at = start; at < end; at += 1) {
    if (letters[offset + at - start] !== fold(sql.charCodeAt(at))) return false;
  }
  return true;
}
