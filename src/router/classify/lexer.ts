// Cuts the text of statements into tokens the way PostgreSQL does, in one pass and without making strings.
//
// Invariant: where PostgreSQL sees the end of a literal, a comment or a name, so does the lexer; a write that
// hides behind a false end would be sent to a replica. What neither can read is one UNREADABLE token, after
// which nothing follows. Each token begins after the one before it, so the lexer always comes to an end.

import {
  APOSTROPHE,
  BLANK,
  COLON,
  classes,
  DIGIT,
  DOLLAR,
  isTagStart,
  isWordPart,
  LETTER,
  QUOTE,
  SIGN,
  single,
} from './characters.ts';
import { endOfEscapedLiteral, endOfNumber, endOfQuoted, skipComment } from './textEnds.ts';
import {
  CAST,
  END,
  fold,
  keywordBetween,
  mix,
  NUMBER,
  OPERATOR,
  PARAMETER,
  QUOTED,
  STRING,
  UNREADABLE,
  WORD,
} from './tokens.ts';

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
    const { length } = sql;
    this.word = 0;
    let at = this.end;
    while (at < length) {
      const code = sql.charCodeAt(at);
      const kind = code < 128 ? (classes[code] ?? 0) : LETTER;
      if (kind === LETTER) {
        let hash = 0;
        let end = at;
        for (; end < length; end += 1) {
          const part = sql.charCodeAt(end);
          if (!isWordPart(part)) break;
          hash = mix(hash, fold(part));
        }
        if (end === at + 1 && this.#takePrefixed(at)) return;
        this.word = keywordBetween(sql, at, end, hash);
        this.#take(WORD, at, end);
        return;
      }
      if (kind === BLANK) {
        at += 1;
      } else if (kind >= single) {
        this.#take(kind - single, at, at + 1);
        return;
      } else if (kind === SIGN) {
        const after = skipComment(sql, at, code);
        if (after === at || after < 0) {
          this.#take(after < 0 ? UNREADABLE : OPERATOR, at, after < 0 ? length : at + 1);
          return;
        }
        at = after;
      } else {
        this.#takeOther(at, kind);
        return;
      }
    }
    this.#take(END, length, length);
  }

  /** Makes all that follows unreadable. */
  giveUp(): void {
    this.#take(UNREADABLE, this.start, this.sql.length);
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
      this.#takeUpTo(STRING, start, endOfQuoted(sql, start + 2, 39));
      return true;
    }
    if (next !== 38 || letter !== 'u') return false;
    const quote = sql.charAt(start + 2);
    if (quote !== "'" && quote !== '"') return false;
    this.isEscaped = true;
    this.#takeUpTo(
      quote === "'" ? STRING : QUOTED,
      start,
      endOfQuoted(sql, start + 3, sql.charCodeAt(start + 2)),
    );
    return true;
  }

  #takeOther(start: number, kind: number): void {
    const { sql } = this;
    if (kind === APOSTROPHE) {
      const end = this.#isConforming ? endOfQuoted(sql, start + 1, 39) : endOfEscapedLiteral(sql, start + 1);
      this.#takeUpTo(STRING, start, end);
      return;
    }
    if (kind === QUOTE) {
      this.isEscaped = false;
      this.#takeUpTo(QUOTED, start, endOfQuoted(sql, start + 1, 34));
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
