// The name that ends at the token before the current one, and whether a parenthesis after it opens a call.
//
// Invariant: in doubt it does. The cases where it does not are listed one by one, each because PostgreSQL's
// grammar leaves no other reading.

import { foldName } from './classifySettings.ts';
import type { Lexer } from './lexer.ts';
import { inGroupBy, inWith } from './parenthesis.ts';
import * as token from './tokens.ts';
import { isReserved } from './tokens.ts';

export class NameBefore {
  start = 0;
  parts = 0;
  /** Kind and word of the token in front of the name, and the word in front of that when it is a name too. */
  kind = token.END;
  word = 0;
  wordBefore = 0;
  #kindBefore = token.END;
  #firstEnd = 0;
  #lastStart = 0;
  #end = 0;
  #isEscaped = false;

  /** Takes the current token of the lexer: it begins a name, or goes on with one after a dot. */
  take(lexer: Lexer, kindBefore: number, wordBefore: number): void {
    if (kindBefore === token.DOT && this.parts > 0) {
      this.parts += 1;
    } else {
      const isAfterName = kindBefore === token.WORD || kindBefore === token.QUOTED;
      this.wordBefore = isAfterName ? this.word : 0;
      this.#kindBefore = isAfterName ? this.kind : token.END;
      this.kind = kindBefore;
      this.word = wordBefore;
      this.parts = 1;
      this.start = lexer.start;
      this.#firstEnd = lexer.end;
      this.#isEscaped = false;
    }
    this.#lastStart = lexer.start;
    this.#end = lexer.end;
    if (lexer.kind === token.QUOTED && lexer.isEscaped) this.#isEscaped = true;
  }

  /** Whether the text says the name: not with Unicode escapes, nor with more than a schema in front. */
  get isPlain(): boolean {
    return this.parts <= 2 && !this.#isEscaped;
  }

  lastPart(sql: string): string {
    return partBetween(sql, this.#lastStart, this.#end);
  }

  firstPart(sql: string): string {
    return partBetween(sql, this.start, this.#firstEnd);
  }

  get lastStart(): number {
    return this.#lastStart;
  }

  isLastQuoted(sql: string): boolean {
    return sql.charCodeAt(this.#lastStart) === 34;
  }

  /** `word` is what the name is spelled like, if it is listed; `level` what is known of the place. */
  opensCall(word: number, level: number): boolean {
    if (this.#isGrouping(word, level)) return false;
    switch (this.kind) {
      case token.CAST:
        return false;
      case token.STRING:
      case token.NUMBER:
      case token.PARAMETER:
      case token.CLOSE:
      case token.CLOSE_BRACKET:
        // After a whole expression only an operator or an alias with its columns can come.
        return this.parts > 1;
      case token.COMMA:
        return (level & inWith) === 0;
      case token.QUOTED:
        return this.#opensCallAfterName(word);
      case token.WORD:
        if (this.word === 0) return this.#opensCallAfterName(word);
        return this.#opensCallAfterWord(word, level);
      default:
        return true;
    }
  }

  /** ROLLUP and CUBE, but only where an element of GROUP BY or of GROUPING SETS begins. */
  #isGrouping(word: number, level: number): boolean {
    if ((level & inGroupBy) === 0 || this.parts > 1) return false;
    if (word !== token.ROLLUP && word !== token.CUBE) return false;
    if (this.kind === token.COMMA || this.kind === token.OPEN) return true;
    return this.word === token.BY || this.word === token.DISTINCT || this.word === token.ALL;
  }

  /** After a plain name: `FROM t alias (…)`, or a word between two operands. */
  #opensCallAfterName(word: number): boolean {
    if (this.parts > 1) return true;
    switch (this.wordBefore) {
      case token.FROM:
      case token.JOIN:
      case token.ONLY:
        return false;
      case token.AS:
        // `JSON_TABLE(…, '$' AS name COLUMNS (…))`
        return word !== token.COLUMNS && !isInfix(word);
      default:
        return !isInfix(word);
    }
  }

  #opensCallAfterWord(word: number, level: number): boolean {
    switch (this.word) {
      case token.AS:
      case token.TABLESAMPLE:
      case token.ORDINALITY:
        return false;
      case token.WITH:
      case token.RECURSIVE:
        return (level & inWith) === 0;
      case token.FETCH:
        return word !== token.FIRST && word !== token.NEXT;
      case token.TIME:
        return word !== token.ZONE;
      case token.INTERVAL:
        return word !== token.SECOND;
      case token.GROUP:
      case token.ORDER:
      case token.PARTITION:
        return word !== token.BY;
      case token.CHARACTER:
      case token.CHAR:
      case token.NCHAR:
      case token.BIT:
        return word !== token.VARYING;
      case token.NOT:
        return (word !== token.LIKE && word !== token.ILIKE) || !this.#isOperandBeforeNot();
      default:
        return isReserved(this.word) || precedesExpression(this.word) || !isInfix(word);
    }
  }

  /** `a NOT LIKE (…)`, and not `NOT like(…)`. */
  #isOperandBeforeNot(): boolean {
    if (this.#kindBefore !== token.WORD) return endsOperand(this.#kindBefore);
    return !isReserved(this.wordBefore) && !precedesExpression(this.wordBefore);
  }
}

/** After these an expression is complete. */
function endsOperand(kind: number): boolean {
  switch (kind) {
    case token.STRING:
    case token.NUMBER:
    case token.PARAMETER:
    case token.CLOSE:
    case token.CLOSE_BRACKET:
    case token.QUOTED:
      return true;
    default:
      return false;
  }
}

/** Words that name functions at the start of an expression, and are grammar after an operand. */
function isInfix(word: number): boolean {
  switch (word) {
    case token.ILIKE:
    case token.JOIN:
    case token.LIKE:
    // `lag(a) IGNORE NULLS OVER (…)` since PostgreSQL 19.
    case token.OVER:
    case token.OVERLAPS:
      return true;
    default:
      return false;
  }
}

/** Words that are not reserved and after which an expression begins, so that they are no operands. */
function precedesExpression(word: number): boolean {
  switch (word) {
    case token.BY:
    case token.CONTENT:
    case token.DOCUMENT:
    case token.ESCAPE:
    case token.FIRST:
    case token.ILIKE:
    case token.JOIN:
    case token.KEY:
    case token.LIKE:
    case token.NEXT:
    case token.OVERLAPS:
    case token.PASSING:
    case token.VALUE:
    case token.VERSION:
    case token.ZONE:
      return true;
    default:
      return false;
  }
}

function partBetween(sql: string, start: number, end: number): string {
  if (sql.charCodeAt(start) !== 34) return foldName(sql.slice(start, end));
  return sql.slice(start + 1, end - 1).replaceAll('""', '"');
}
