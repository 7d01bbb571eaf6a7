// The shape of a statement: what stays the same when an application sends it again with other values.

import { Lexer } from './lexer.ts';
import * as token from './tokens.ts';
import { WordReader } from './wordReader.ts';

/**
 * Longer shapes are cut. Statements that agree so far are taken for one, which costs a replica some reads and
 * no more, because a fingerprint only ever moves statements to the primary.
 */
const maxFingerprintLength = 2_000;

/**
 * The text without comments, in lower case outside of quotes, with one blank between tokens and `?` for every
 * literal, number and parameter. A list of these is one, so that `IN (1, 2)` and `IN (3)` have one shape.
 */
export function fingerprintOf(sql: string): string {
  const lexer = new Lexer(sql);
  const words = new WordReader(lexer);
  const parts: string[] = [];
  let length = 0;
  for (lexer.next(); lexer.kind !== token.END && length < maxFingerprintLength; lexer.next()) {
    const part = isValue(lexer.kind)
      ? '?'
      : lexer.kind === token.WORD
        ? words.text()
        : sql.slice(lexer.start, lexer.end);
    if (part === '?' && parts.at(-1) === ',' && parts.at(-2) === '?') {
      parts.pop();
      continue;
    }
    parts.push(part);
    length += part.length + 1;
    if (lexer.kind === token.UNREADABLE) break;
  }
  while (parts.at(-1) === ';') parts.pop();
  return parts.join(' ').slice(0, maxFingerprintLength);
}

function isValue(kind: number): boolean {
  return kind === token.STRING || kind === token.NUMBER || kind === token.PARAMETER;
}
