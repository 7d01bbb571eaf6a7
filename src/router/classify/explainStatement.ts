// A verdict in words, for people who ask why a statement runs where it does.

import { classify } from './classify.ts';
import type { ClassifySettings } from './classifySettings.ts';
import { Lexer } from './lexer.ts';
import { type RuleName, rules } from './rules.ts';
import * as token from './tokens.ts';
import type { Verdict } from './verdict.ts';

export interface StatementExplanation {
  readonly verdict: Verdict;
  /** The token that decided, empty when the whole text did. */
  readonly token: string;
  /** Where it begins, both from 1. */
  readonly line: number;
  readonly column: number;
  /** One sentence. */
  readonly reason: string;
  /** The sentence, the line of the statement, and an arrow below the token. */
  readonly text: string;
}

/** Longer lines are cut around the token, so that the arrow stays below it in a terminal. */
const maxLineWidth = 100;
const maxTokenLength = 40;

export function explainStatement(sql: string, settings?: ClassifySettings): StatementExplanation {
  return explainVerdict(sql, classify(sql, settings));
}

/** For a verdict that a `Classifier` gave, which may have learned more than the text says. */
export function explainVerdict(sql: string, verdict: Verdict): StatementExplanation {
  const { position } = verdict;
  const found = tokenAt(sql, position);
  const before = sql.slice(0, position).split(/\r\n|\r|\n/);
  const line = before.length;
  const column = (before.at(-1)?.length ?? 0) + 1;
  const rule = rules[verdict.rule as RuleName];
  const reason = `${verdict.route}${pinsInWords(verdict)}: ${found === '' ? '' : `\`${found}\` at line ${line}, column ${column}: `}${rule.because} (${verdict.rule})`;
  return {
    verdict,
    token: found,
    line,
    column,
    reason,
    text: `${reason}\n${arrow(sql, position, column, found)}`,
  };
}

function pinsInWords({ pins }: Verdict): string {
  if (pins === 'nothing') return '';
  return pins === 'session' ? ', and the session stays there' : ', and the transaction stays there';
}

/** The token that begins here, with the names that a dot joins to it. */
function tokenAt(sql: string, position: number): string {
  const lexer = new Lexer(sql);
  do lexer.next();
  while (lexer.start < position && lexer.kind !== token.END && lexer.kind !== token.UNREADABLE);
  const { start } = lexer;
  let { end } = lexer;
  if (isName(lexer)) {
    for (lexer.next(); lexer.kind === token.DOT; lexer.next()) {
      lexer.next();
      if (isName(lexer)) end = lexer.end;
    }
  }
  const text = sql.slice(start, end);
  return text.length > maxTokenLength ? `${text.slice(0, maxTokenLength)}…` : text;
}

function isName({ kind }: Lexer): boolean {
  return kind === token.WORD || kind === token.QUOTED;
}

function arrow(sql: string, position: number, column: number, found: string): string {
  const lineStart = position - column + 1;
  const line = /^[^\r\n]*/.exec(sql.slice(lineStart, position + maxLineWidth))?.[0] ?? '';
  const from = Math.max(0, column - 1 - maxLineWidth / 2);
  const shown = line.slice(from, from + maxLineWidth).replace(/[\p{Cc}]/gu, ' ');
  const width = Math.max(1, Math.min(found.length, shown.length - (column - 1 - from)));
  return `  ${shown}\n  ${' '.repeat(column - 1 - from)}${'^'.repeat(width)}`;
}
