// Cuts the text of statements into tokens the way PostgreSQL does, in one pass and without making strings.
//
// Invariant: where PostgreSQL sees the end of a literal, a comment or a name, so does the lexer; a write that
// hides behind a false end would be sent to a replica. What neither can read is one UNREADABLE token, after
// which nothing follows. Each token begins after the one before it, so the lexer always comes to an end.

import {
  CAST,
  CLOSE,
  CLOSE_BRACKET,
  COMMA,
  DOT,
  END,
  fold,
  keywordBetween,
  NUMBER,
  OPEN,
  OPEN_BRACKET,
  OPERATOR,
  PARAMETER,
  QUOTED,
  SEMICOLON,
  STRING,
  UNREADABLE,
  WORD,
} from './tokens.ts';

const BLANK = 1;
const LETTER = 2;
const DIGIT = 3;
const DOLLAR = 4;
const APOSTROPHE = 5;
const QUOTE = 6;
const COLON = 7;
const SIGN = 8;
const single = 16;

// Classes of the characters of ASCII; 0 has no place in SQL. From 128 on all are letters, as for PostgreSQL,
// to which even a no-break space or a byte order mark is part of a name.
const classes = new Uint8Array(128);
for (const blank of ' \t\n\r\f\v') classes[blank.charCodeAt(0)] = BLANK;
for (let code = 0; code < 26; code += 1)
  classes.fill(LETTER, 65 + code, 66 + code).fill(LETTER, 97 + code, 98 + code);
classes[95] = LETTER;
for (let code = 48; code <= 57; code += 1) classes[code] = DIGIT;
classes[36] = DOLLAR;
classes[39] = APOSTROPHE;
classes[34] = QUOTE;
classes[58] = COLON;
for (const sign of '+-*/<>=~!@#%^&|`?') classes[sign.charCodeAt(0)] = SIGN;
for (const [text, kind] of Object.entries({
  '(': OPEN,
  ')': CLOSE,
  '[': OPEN_BRACKET,
  ']': CLOSE_BRACKET,
  ',': COMMA,
  '.': DOT,
  ';': SEMICOLON,
}))
  classes[text.charCodeAt(0)] = single + kind;

const isWordPart = (code: number): boolean => {
  if (code >= 128) return true;
  const kind = classes[code];
  return kind === LETTER || kind === DIGIT || kind === DOLLAR;
};
const isTagStart = (code: number): boolean => code >= 128 || classes[code] === LETTER;

export class Lexer {
  readonly sql: string;
  /** Whether a backslash in a plain literal is a character like any other, as it is by default. */
  readonly #isConforming: boolean;
  kind = END;
  /** Number of the word when it is a listed one, else 0. */
  word = 0;
  /** Whether a quoted name is written with `U&`, so that its text is not its name. */
  isEscaped = false;
  start = 0;
  end = 0;

  constructor(sql: string, isConforming = true) {
    this.sql = sql;
    this.#isConforming = isConforming;
  }

  /** Moves on to the next token. At the end and at what cannot be read it stays. */
  next(): void {
    if (this.kind === UNREADABLE) return;
    const { sql } = this;
    this.word = 0;
    let at = this.end;
    for (;;) {
      if (at >= sql.length) {
        this.#take(END, sql.length, sql.length);
        return;
      }
      const code = sql.charCodeAt(at);
      const kind = code < 128 ? (classes[code] ?? 0) : LETTER;
      if (kind === LETTER) {
        this.#takeWord(at);
        return;
      }
      if (kind === BLANK) {
        at += 1;
        continue;
      }
      if (kind >= single) {
        this.#take(kind - single, at, at + 1);
        return;
      }
      if (kind === SIGN) {
        const after = skipComment(sql, at, code);
        if (after === at) {
          this.#take(OPERATOR, at, at + 1);
          return;
        }
        if (after < 0) {
          this.#take(UNREADABLE, at, sql.length);
          return;
        }
        at = after;
        continue;
      }
      this.#takeOther(at, kind);
      return;
    }
  }

  #take(kind: number, start: number, end: number): void {
    this.kind = kind;
    this.start = start;
    this.end = end;
  }

  /** A negative end says that the token has none. */
  #takeUpTo(kind: number, start: number, end: number): void {
    if (end < 0) this.#take(UNREADABLE, start, this.sql.length);
    else this.#take(kind, start, end);
  }

  #takeWord(start: number): void {
    const { sql } = this;
    let hash = 0;
    let end = start;
    for (; end < sql.length; end += 1) {
      const code = sql.charCodeAt(end);
      if (!isWordPart(code)) break;
      hash = (Math.imul(hash, 31) + fold(code)) | 0;
    }
    if (end === start + 1 && this.#takePrefixed(start)) return;
    this.word = keywordBetween(sql, start, end, hash);
    this.#take(WORD, start, end);
  }

  /** `E'…'`, `B'…'`, `X'…'`, `N'…'`, `U&'…'` and `U&"…"`: the letter must touch the quote. */
  #takePrefixed(start: number): boolean {
    const { sql } = this;
    const next = sql.charCodeAt(start + 1);
    if (next !== 39 && next !== 38) return false;
    const letter = sql.charAt(start).toLowerCase();
    if (next === 39 && letter === 'e') {
      this.#takeUpTo(STRING, start, endOfEscapedLiteral(sql, start + 2));
      return true;
    }
    if (next === 39 && (letter === 'b' || letter === 'x' || letter === 'n')) {
      this.#takeUpTo(STRING, start, endOfQuoted(sql, start + 2, "'"));
      return true;
    }
    if (next !== 38 || letter !== 'u') return false;
    const quote = sql.charAt(start + 2);
    if (quote !== "'" && quote !== '"') return false;
    this.isEscaped = true;
    this.#takeUpTo(quote === "'" ? STRING : QUOTED, start, endOfQuoted(sql, start + 3, quote));
    return true;
  }

  #takeOther(start: number, kind: number): void {
    const { sql } = this;
    if (kind === APOSTROPHE) {
      const find = this.#isConforming ? endOfQuoted : endOfEscapedLiteral;
      this.#takeUpTo(STRING, start, find(sql, start + 1, "'"));
      return;
    }
    if (kind === QUOTE) {
      this.isEscaped = false;
      this.#takeUpTo(QUOTED, start, endOfQuoted(sql, start + 1, '"'));
      return;
    }
    if (kind === DIGIT) {
      this.#take(NUMBER, start, endOfNumber(sql, start));
      return;
    }
    if (kind === DOLLAR) {
      this.#takeDollar(start);
      return;
    }
    if (kind === COLON) {
      const isCast = sql.charCodeAt(start + 1) === 58;
      this.#take(isCast ? CAST : OPERATOR, start, start + (isCast ? 2 : 1));
      return;
    }
    this.#take(UNREADABLE, start, sql.length);
  }

  /** `$1`, or a literal between two equal tags. A tag holds no `$`, so `$a$ $b$ $a$` is one literal. */
  #takeDollar(start: number): void {
    const { sql } = this;
    let at = start + 1;
    if (classes[sql.charCodeAt(at)] === DIGIT) {
      while (classes[sql.charCodeAt(at)] === DIGIT) at += 1;
      this.#take(PARAMETER, start, at);
      return;
    }
    if (at < sql.length && isTagStart(sql.charCodeAt(at))) {
      while (at < sql.length && sql.charCodeAt(at) !== 36 && isWordPart(sql.charCodeAt(at))) at += 1;
    }
    if (sql.charCodeAt(at) !== 36) {
      this.#takeUpTo(UNREADABLE, start, -1);
      return;
    }
    const tag = sql.slice(start, at + 1);
    const close = sql.indexOf(tag, at + 1);
    this.#takeUpTo(STRING, start, close < 0 ? -1 : close + tag.length);
  }
}

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

/** Behind the closing quote; a doubled one belongs to the text. */
function endOfQuoted(sql: string, start: number, quote: string): number {
  let at = sql.indexOf(quote, start);
  while (at >= 0 && sql.charAt(at + 1) === quote) at = sql.indexOf(quote, at + 2);
  return at < 0 ? -1 : at + 1;
}

/**
 * Behind the closing quote of a literal in which a backslash escapes. Such a literal goes on in the next one
 * when only blanks with a line end, and line comments, are between them, and there a backslash escapes too.
 */
function endOfEscapedLiteral(sql: string, start: number): number {
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
function endOfNumber(sql: string, start: number): number {
  let at = start + 1;
  for (; at < sql.length; at += 1) {
    const code = sql.charCodeAt(at);
    const kind = code < 128 ? classes[code] : LETTER;
    if (kind !== DIGIT && kind !== LETTER && code !== 46) break;
  }
  return at;
}
