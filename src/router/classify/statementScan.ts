// Tells statements apart by their first words and notes what each means for the routing. Queries are read to
// the end by QueryScan; of the others only so much as the verdict needs.

import type { Findings } from './findings.ts';
import type { Lexer } from './lexer.ts';
import { beginsQuery, QueryScan } from './queryScan.ts';
import type { RuleBook } from './ruleBook.ts';
import type { RuleName } from './rules.ts';
import * as token from './tokens.ts';
import { isTransactionStatement, type TransactionScan } from './transactionScan.ts';
import type { Pins } from './verdict.ts';
import { WordReader } from './wordReader.ts';

/** Statements that need no look behind their first word. */
const simple: ReadonlyMap<string, readonly [RuleName, Pins]> = new Map(
  (
    [
      ['alter analyse analyze checkpoint cluster comment drop grant import notify', 'write', 'nothing'],
      ['reassign refresh reindex repack revoke security truncate vacuum', 'write', 'nothing'],
      ['close deallocate discard execute fetch move reset unlisten', 'session-state', 'nothing'],
      ['listen load', 'session-state', 'session'],
      ['call do', 'opaque', 'nothing'],
      ['lock', 'lock-table', 'transaction'],
    ] as const
  ).flatMap(([words, rule, pins]) => words.split(' ').map((word) => [word, [rule, pins]] as const)),
);

/** What EXPLAIN takes beside queries; a standby plans them too. */
const isExplainable = new Set(['insert', 'update', 'delete', 'merge', 'create', 'refresh', 'declare']);

/** CREATE OR REPLACE LOCAL TEMPORARY RECURSIVE VIEW, and then a name with its schema. */
const maxWordsOfCreate = 8;

export class StatementScan {
  readonly #lexer: Lexer;
  readonly #words: WordReader;
  readonly #findings: Findings;
  readonly #book: RuleBook;
  readonly #transaction: TransactionScan;

  constructor(lexer: Lexer, findings: Findings, book: RuleBook, transaction: TransactionScan) {
    this.#lexer = lexer;
    this.#words = new WordReader(lexer);
    this.#findings = findings;
    this.#book = book;
    this.#transaction = transaction;
  }

  /** From the first token of a statement that is no query to what ends it. */
  run(): void {
    const { kind, word, start } = this.#lexer;
    if (isDataWord(word)) {
      this.#findings.note('write', start);
      this.#query(false);
    } else if (kind === token.WORD) this.#other(this.#words.text(), start);
    else this.#findings.note('statement-unknown', start);
    this.#words.skipStatement();
  }

  #query(isPlanned: boolean): void {
    new QueryScan(this.#lexer, this.#findings, this.#book, isPlanned).run();
  }

  /** A query that stops before its statement does has one parenthesis too many. */
  #expectEnd(): void {
    if (!this.#words.isAtEnd(0)) this.#findings.note('unreadable', this.#lexer.start);
  }

  #other(word: string, start: number): void {
    if (isTransactionStatement(word)) {
      this.#transaction.run(word, this.#words);
      return;
    }
    switch (word) {
      case 'show':
        this.#findings.noteRead('show', start);
        return;
      case 'explain':
        this.#explain(start);
        return;
      case 'copy':
        this.#copy(start);
        return;
      case 'create':
        this.#create(start);
        return;
      case 'declare':
        this.#declare(start);
        return;
      case 'wait':
        this.#wait(start);
        return;
      case 'alter':
        if (this.#words.advance() === 'system') {
          this.#alterSystem(start);
          return;
        }
    }
    const [rule, pins] = simple.get(word) ?? ['statement-unknown', 'nothing'];
    this.#findings.note(rule, start, pins);
  }

  #alterSystem(start: number): void {
    const isAllowed = this.#book.functions.isAllowedDenied('alter system');
    this.#findings.note(isAllowed ? 'write' : 'denied-statement', start);
  }

  #explain(start: number): void {
    const lexer = this.#lexer;
    let isRun = false;
    let word = this.#words.advance();
    if (lexer.kind === token.OPEN) {
      lexer.next();
      if (beginsQuery(lexer)) {
        this.#explainParenthesis(start);
        return;
      }
      isRun = this.#explainOptions();
      word = this.#words.text();
    } else {
      for (; word === 'analyze' || word === 'analyse' || word === 'verbose'; word = this.#words.advance()) {
        isRun ||= word !== 'verbose';
      }
    }
    this.#findings.noteRead(isRun ? 'read' : 'explain', start);
    if (beginsQuery(lexer)) {
      this.#query(!isRun);
      this.#expectEnd();
    } else if (word === 'execute') this.#findings.note('session-state', lexer.start);
    else if (isRun || !isExplainable.has(word)) this.#findings.note('write', lexer.start);
    else this.#query(true);
  }

  /** `EXPLAIN (SELECT …) UNION …`: the parenthesis holds no options but a query. */
  #explainParenthesis(start: number): void {
    this.#findings.noteRead('explain', start);
    this.#query(true);
    if (!this.#passClose()) return;
    this.#query(true);
    this.#expectEnd();
  }

  #passClose(): boolean {
    const isClose = this.#lexer.kind === token.CLOSE;
    if (isClose) this.#lexer.next();
    return isClose;
  }

  /** Whether the options ask to run the statement. It counts as asked even if a later option takes it back. */
  #explainOptions(): boolean {
    const lexer = this.#lexer;
    let isRun = false;
    while (lexer.kind !== token.CLOSE && !this.#words.isAtEnd(0)) {
      const isAnalyze = this.#isAnalyze();
      let value = 'true';
      for (lexer.next(); !this.#isOptionEnd(); lexer.next()) value = this.#words.text();
      isRun ||= isAnalyze && !/^'?(?:false|off|0)'?$/i.test(value);
      if (lexer.kind === token.COMMA) lexer.next();
    }
    lexer.next();
    return isRun;
  }

  /** With quotes the name of an option means the same. One with Unicode escapes may be any, so it counts as this one. */
  #isAnalyze(): boolean {
    const { kind, isEscaped } = this.#lexer;
    if (kind === token.QUOTED && isEscaped) return true;
    const name = this.#words.text();
    return name === 'analyze' || name === 'analyse';
  }

  #isOptionEnd(): boolean {
    const { kind } = this.#lexer;
    return kind === token.COMMA || kind === token.CLOSE || this.#words.isAtEnd(0);
  }

  #copy(start: number): void {
    const lexer = this.#lexer;
    lexer.next();
    this.#findings.noteRead('copy-to-client', start);
    if (lexer.kind === token.OPEN) {
      lexer.next();
      this.#query(false);
      if (!this.#passClose()) return;
    } else if (this.#book.hasRelations) this.#copiedRelation();
    this.#words.skipTo((word) => word === token.TO || word === token.FROM);
    if (lexer.word === token.FROM) {
      this.#findings.note('copy-loads', start);
      return;
    }
    if (lexer.word !== token.TO) {
      this.#findings.note('statement-unknown', start);
      return;
    }
    lexer.next();
    if (this.#words.text() !== 'stdout') this.#findings.note('copy-on-server', lexer.start);
  }

  #copiedRelation(): void {
    const first = this.#words.text();
    const position = this.#lexer.start;
    this.#lexer.next();
    const isQualified = this.#lexer.kind === token.DOT;
    if (isQualified) this.#lexer.next();
    const names = isQualified ? [this.#words.text(), `${first}.${this.#words.text()}`] : [first];
    if (names.some((name) => this.#book.relations.has(name)))
      this.#findings.note('relation-writes', position);
  }

  /** Temporary objects belong to the session; the word stands in front of the kind of the object. */
  #create(start: number): void {
    this.#findings.note('write', start);
    let isNamed = false;
    for (let count = 0; count < maxWordsOfCreate; count += 1) {
      const word = this.#words.advance();
      if (word === '') return;
      if (word === 'pg_temp' || (!isNamed && (word === 'temp' || word === 'temporary'))) {
        this.#findings.pin('session');
      }
      isNamed ||= word === 'table' || word === 'view' || word === 'sequence';
    }
  }

  #declare(start: number): void {
    let isHeld = false;
    let before = '';
    this.#words.skipTo((word) => {
      const text = this.#words.text();
      isHeld ||= before === 'with' && text === 'hold';
      before = text;
      return word === token.FOR;
    });
    this.#findings.note('session-state', start, isHeld ? 'session' : 'transaction');
  }

  /** PostgreSQL 19. Without a mode it waits for replay, which only a standby can. */
  #wait(start: number): void {
    this.#findings.noteRead('wait-for-lsn', start);
    if (this.#words.advance() !== 'for' || this.#words.advance() !== 'lsn') {
      this.#findings.note('statement-unknown', start);
      return;
    }
    for (; !this.#words.isAtEnd(0); this.#lexer.next()) {
      if (/^'primary_/i.test(this.#words.text())) this.#findings.note('wait-on-primary', this.#lexer.start);
    }
  }
}

function isDataWord(word: number): boolean {
  return word === token.INSERT || word === token.UPDATE || word === token.DELETE || word === token.MERGE;
}
