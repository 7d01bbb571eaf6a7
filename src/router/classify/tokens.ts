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
  begin bit by char character close columns commit copy cube declare delete execute explain filter first force
  groups grouping ilike insert interval is join key like local materialized merge nchar next no
  operator ordinality over overlaps overlay partition path pg_temp range recursive rollup rows second sets share
  substring tablesample temp temporary time update value values varying zone`;

const words = `${reserved} ${unreserved}`.trim().split(/\s+/);
const reservedCount = reserved.trim().split(/\s+/).length;

const keywordNumbers = new Map(words.map((word, index) => [word, index + 1]));

/** The number of a listed word; asking for another is a bug, found when the module is loaded. */
function keyword(word: string): number {
  const found = keywordNumbers.get(word);
  if (found === undefined) throw new Error(`"${word}" is not a listed word`);
  return found;
}

export const ANALYSE = keyword('analyse');
export const ANALYZE = keyword('analyze');
export const AS = keyword('as');
export const BIT = keyword('bit');
export const BY = keyword('by');
export const CHAR = keyword('char');
export const CHARACTER = keyword('character');
export const COLUMNS = keyword('columns');
export const CUBE = keyword('cube');
export const DELETE = keyword('delete');
export const DISTINCT = keyword('distinct');
export const EXCEPT = keyword('except');
export const FETCH = keyword('fetch');
export const FIRST = keyword('first');
export const FOR = keyword('for');
export const FROM = keyword('from');
export const GROUP = keyword('group');
export const GROUPING = keyword('grouping');
export const GROUPS = keyword('groups');
export const HAVING = keyword('having');
export const ILIKE = keyword('ilike');
export const INSERT = keyword('insert');
export const INTERSECT = keyword('intersect');
export const INTERVAL = keyword('interval');
export const INTO = keyword('into');
export const JOIN = keyword('join');
export const KEY = keyword('key');
export const LIKE = keyword('like');
export const LIMIT = keyword('limit');
export const LOCAL = keyword('local');
export const MATERIALIZED = keyword('materialized');
export const MERGE = keyword('merge');
export const NCHAR = keyword('nchar');
export const NEXT = keyword('next');
export const NO = keyword('no');
export const NOT = keyword('not');
export const ON = keyword('on');
export const OPERATOR_WORD = keyword('operator');
export const ORDER = keyword('order');
export const ORDINALITY = keyword('ordinality');
export const OVERLAPS = keyword('overlaps');
export const OVERLAY = keyword('overlay');
export const PARTITION = keyword('partition');
export const PG_TEMP = keyword('pg_temp');
export const RANGE = keyword('range');
export const RECURSIVE = keyword('recursive');
export const ROLLUP = keyword('rollup');
export const ROWS = keyword('rows');
export const SECOND = keyword('second');
export const SELECT = keyword('select');
export const SETS = keyword('sets');
export const SHARE = keyword('share');
export const SUBSTRING = keyword('substring');
export const TABLE = keyword('table');
export const TABLESAMPLE = keyword('tablesample');
export const TEMP = keyword('temp');
export const TEMPORARY = keyword('temporary');
export const TIME = keyword('time');
export const TO = keyword('to');
export const TRUE = keyword('true');
export const UNION = keyword('union');
export const UPDATE = keyword('update');
export const VALUE = keyword('value');
export const VALUES = keyword('values');
export const VARYING = keyword('varying');
export const WINDOW = keyword('window');
export const WITH = keyword('with');
export const ZONE = keyword('zone');

export function isReserved(word: number): boolean {
  return word !== 0 && word <= reservedCount;
}

/** Letters in both cases fold to one code, which is all that comparing words of ASCII needs. */
export const fold = (code: number): number => code | 32;

const longest = Math.max(...words.map((word) => word.length));
const slotCount = 1024;
const slots = new Uint8Array(slotCount);
const folded = words.map((word) => Uint8Array.from(word, (letter) => fold(letter.charCodeAt(0))));
for (const [index, codes] of folded.entries()) {
  let slot = codes.reduce((hash, code) => (Math.imul(hash, 31) + code) | 0, 0) & (slotCount - 1);
  while (slots[slot] !== 0) slot = (slot + 1) & (slotCount - 1);
  slots[slot] = index + 1;
}

/** The number of the word between two positions, 0 when it is not listed. `hash` is made while scanning it. */
export function keywordBetween(sql: string, start: number, end: number, hash: number): number {
  if (end - start > longest) return 0;
  for (let slot = hash & (slotCount - 1); slots[slot] !== 0; slot = (slot + 1) & (slotCount - 1)) {
    const candidate = slots[slot] ?? 0;
    const codes = folded[candidate - 1];
    if (codes === undefined || codes.length !== end - start) continue;
    let at = 0;
    while (at < codes.length && fold(sql.charCodeAt(start + at)) === codes[at]) at += 1;
    if (at === codes.length) return candidate;
  }
  return 0;
}
