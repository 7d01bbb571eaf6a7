// Where the text of one or more statements may run, from the text alone: no connection, no catalog.
//
// Invariant: `replica` is said only of what is surely a read. Everything unknown, unreadable or mixed with a
// write belongs to the primary, which at worst does what a replica could have done.

import type { ClassifySettings } from './classifySettings.ts';
import { Findings } from './findings.ts';
import { Lexer } from './lexer.ts';
import { beginsQuery, QueryScan } from './queryScan.ts';
import { readHint } from './readHint.ts';
import { type RuleBook, ruleBookOf } from './ruleBook.ts';
import { StatementScan } from './statementScan.ts';
import * as token from './tokens.ts';
import { TransactionScan } from './transactionScan.ts';
import type { Verdict } from './verdict.ts';

/** In UTF-16 units. Reading as much takes some milliseconds, in which nothing else of the process runs. */
export const maxTextLength = 1_048_576;

const noSettings: ClassifySettings = {};

/** Never throws. The settings are read once per object, so they should be one that lives. */
export function classify(sql: string, settings: ClassifySettings = noSettings): Verdict {
  if (sql.length > maxTextLength) return { route: 'primary', rule: 'too-long', position: 0, pins: 'nothing' };
  const book = ruleBookOf(settings);
  const lexer = new Lexer(sql, book.isConforming);
  const findings = new Findings();
  // Made when the first statement comes that is no query: most texts are one query.
  let others: StatementScan | undefined;
  lexer.next();
  while (lexer.kind !== token.END && lexer.kind !== token.UNREADABLE) {
    if (lexer.kind === token.SEMICOLON) lexer.next();
    else if (beginsQuery(lexer)) readQuery(lexer, findings, book);
    else {
      others ??= new StatementScan(lexer, findings, book, new TransactionScan(lexer, findings));
      others.run();
    }
  }
  if (lexer.kind === token.UNREADABLE) findings.note('unreadable', lexer.start);
  return findings.verdict(readHint(sql));
}

/** A query that stops before its statement does has one parenthesis too many, and nothing behind it counts. */
function readQuery(lexer: Lexer, findings: Findings, book: RuleBook): void {
  findings.noteRead('read', lexer.start);
  new QueryScan(lexer, findings, book).run();
  if (lexer.kind === token.SEMICOLON || lexer.kind === token.END) return;
  findings.note('unreadable', lexer.start);
  lexer.giveUp();
}
