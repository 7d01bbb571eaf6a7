// Words as text, for statements that are too rare for numbers to be worth it.

import { foldName } from './classifySettings.ts';
import type { Lexer } from './lexer.ts';
import * as token from './tokens.ts';

export class WordReader {
  readonly #lexer: Lexer;

  constructor(lexer: Lexer) {
    this.#lexer = lexer;
  }

  /** The text of the current token: a word in lower case, a quoted name without quotes, the rest as it is. */
  text(): string {
    const { kind, sql, start, end } = this.#lexer;
    const text = sql.slice(start, end);
    if (kind === token.WORD) return foldName(text);
    return kind === token.QUOTED ? text.slice(1, -1).replaceAll('""', '"') : text;
  }

  /** Moves on and gives the next word, or nothing when something else comes. */
  advance(): string {
    this.#lexer.next();
    return this.#lexer.kind === token.WORD ? this.text() : '';
  }

  /** Stays at the first token outside parentheses that fits, or at the end of the statement. */
  skipTo(fits: (word: number) => boolean): void {
    const lexer = this.#lexer;
    for (let depth = 0; !this.isAtEnd(depth); lexer.next()) {
      if (lexer.kind === token.OPEN) depth += 1;
      else if (lexer.kind === token.CLOSE) depth -= 1;
      else if (depth === 0 && fits(lexer.word)) return;
    }
  }

  skipStatement(): void {
    this.skipTo(() => false);
  }

  /** A semicolon inside parentheses belongs to the statement, as in CREATE RULE … DO (…; …). */
  isAtEnd(depth: number): boolean {
    const { kind } = this.#lexer;
    return kind === token.END || kind === token.UNREADABLE || (kind === token.SEMICOLON && depth <= 0);
  }
}
