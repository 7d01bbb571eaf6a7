// Where the parts of the text end whose inside is not SQL: literals, quoted names, comments, numbers. The
// functions take the position behind what opens them and give the one behind what closes them, -1 for never.

import { BLANK, classes, DIGIT, LETTER } from './characters.ts';

/** Behind the comment that begins here, here when none does, or -1 when it has no end. */
export function skipComment(sql: string, start: number, code: number): number {
  const next = sql.charCodeAt(start + 1);
  if (code === 45 && next === 45) return endOfLine(sql, start + 2);
  if (code === 47 && next === 42) return endOfBlockComment(sql, start + 2);
  return start;
}

/** A carriage return ends a line comment as well as a line feed does. */
function endOfLine(sql: string, start: number): number {
  let at = start;
  while (at < sql.length && sql.charCodeAt(at) !== 10 && sql.charCodeAt(at) !== 13) at += 1;
  return at;
}

/** Block comments nest. */
function endOfBlockComment(sql: string, start: number): number {
  let depth = 1;
  for (let at = start; at < sql.length - 1; at += 1) {
    const code = sql.charCodeAt(at);
    const next = sql.charCodeAt(at + 1);
    if (code === 47 && next === 42) {
      depth += 1;
      at += 1;
    } else if (code === 42 && next === 47) {
      depth -= 1;
      at += 1;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}

/** Names and most literals end so soon that looking at each character is faster than starting a search. */
const nearCharacters = 32;

/** Behind the closing quote, given as its code; a doubled one belongs to the text. */
export function endOfQuoted(sql: string, start: number, quote: number): number {
  const { length } = sql;
  const far = start + nearCharacters;
  for (let at = start; at < length; at += 1) {
    if (at === far) at = sql.indexOf(quote === 34 ? '"' : "'", at);
    if (at < 0) return -1;
    if (sql.charCodeAt(at) !== quote) continue;
    if (at + 1 === length || sql.charCodeAt(at + 1) !== quote) return at + 1;
    at += 1;
  }
  return -1;
}

/**
 * Behind the closing quote of a literal in which a backslash escapes. Such a literal goes on in the next one
 * when only blanks with a line end, and line comments, are between them, and there a backslash escapes too.
 */
export function endOfEscapedLiteral(sql: string, start: number): number {
  for (let at = start; at < sql.length; at += 1) {
    const code = sql.charCodeAt(at);
    if (code === 92) at += 1;
    else if (code === 39 && sql.charCodeAt(at + 1) === 39) at += 1;
    else if (code === 39) {
      const next = continuedLiteral(sql, at + 1);
      if (next < 0) return at + 1;
      at = next;
    }
  }
  return -1;
}

/** Where the opening quote of the continuation is, or -1 when there is none. */
function continuedLiteral(sql: string, start: number): number {
  let hasLineEnd = false;
  let at = start;
  while (at < sql.length) {
    const code = sql.charCodeAt(at);
    if (code === 39) return hasLineEnd ? at : -1;
    if (code === 45 && sql.charCodeAt(at + 1) === 45) at = endOfLine(sql, at + 2);
    else if (classes[code] === BLANK) {
      hasLineEnd ||= code === 10 || code === 13;
      at += 1;
    } else return -1;
  }
  return -1;
}

/** Digits with what may touch them: `1.5`, `1e6`, `0xff`, `1_000`. PostgreSQL refuses other letters there. */
export function endOfNumber(sql: string, start: number): number {
  let at = start + 1;
  for (; at < sql.length; at += 1) {
    const code = sql.charCodeAt(at);
    const kind = code < 128 ? classes[code] : LETTER;
    if (kind !== DIGIT && kind !== LETTER && code !== 46) break;
  }
  return at;
}
