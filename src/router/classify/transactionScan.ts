// Statements that begin, end or set up transactions and sessions.
//
// Invariant: a text may go to a replica only if each transaction in it is begun in it as READ ONLY. What such
// a transaction sets for itself with SET LOCAL does no harm there; everything else that is set does.

import type { Findings } from './findings.ts';
import type { Lexer } from './lexer.ts';
import * as token from './tokens.ts';
import type { WordReader } from './wordReader.ts';

const words = new Set('abort begin commit end prepare release rollback savepoint set start'.split(' '));

export function isTransactionStatement(word: string): boolean {
  return words.has(word);
}

export class TransactionScan {
  readonly #lexer: Lexer;
  readonly #findings: Findings;
  /** Whether the text is inside a transaction that it began READ ONLY. */
  #isReadOnly = false;

  constructor(lexer: Lexer, findings: Findings) {
    this.#lexer = lexer;
    this.#findings = findings;
  }

  /** From the given first word on. */
  run(word: string, reader: WordReader): void {
    const { start } = this.#lexer;
    switch (word) {
      case 'begin':
      case 'start':
        this.#begin(start, reader);
        return;
      case 'set':
        this.#set(start, reader);
        return;
      case 'prepare':
        if (reader.advance() === 'transaction') this.#findings.note('write', start);
        else this.#findings.note('session-state', start, 'session');
        return;
      case 'savepoint':
      case 'release':
        if (!this.#isReadOnly) this.#findings.note('transaction-control', start, 'transaction');
        return;
      default:
        this.#end(start, reader);
        return;
    }
  }

  #begin(start: number, reader: WordReader): void {
    let isReadOnly = false;
    let isReadWrite = false;
    let isSerializable = false;
    let before = '';
    reader.skipTo(() => {
      const word = reader.text();
      if (before === 'read' && word === 'only') isReadOnly = true;
      else if (before === 'read' && word === 'write') isReadWrite = true;
      else if (word === 'serializable') isSerializable = true;
      before = word;
      return false;
    });
    this.#findings.pin('transaction');
    if (isSerializable) this.#findings.note('begin-serializable', start);
    else if (!isReadOnly || isReadWrite) this.#findings.note('begin-read-write', start);
    else {
      this.#findings.noteRead('begin-read-only', start);
      this.#isReadOnly = true;
    }
  }

  #set(start: number, reader: WordReader): void {
    let target = reader.advance();
    if (target === 'constraints' || target === 'transaction') {
      this.#findings.note('transaction-control', start, 'transaction');
      return;
    }
    if (target !== 'local') {
      this.#findings.note('session-state', start, 'session');
      return;
    }
    target = reader.advance();
    const isHarmless =
      this.#isReadOnly && this.#lexer.kind === token.WORD && !target.startsWith('transaction');
    if (!isHarmless) this.#findings.note('session-state', start, 'transaction');
  }

  /** COMMIT, END, ROLLBACK and ABORT, but also ROLLBACK TO and COMMIT PREPARED, which end nothing. */
  #end(start: number, reader: WordReader): void {
    let isPrepared = false;
    let isToSavepoint = false;
    let isChained = false;
    let before = '';
    reader.skipTo(() => {
      const word = reader.text();
      if (word === 'prepared') isPrepared = true;
      else if (word === 'to') isToSavepoint = true;
      else if (word === 'chain') isChained = before !== 'no';
      before = word;
      return false;
    });
    if (isPrepared) {
      this.#findings.note('write', start);
      return;
    }
    if (!this.#isReadOnly)
      this.#findings.note('transaction-control', start, isChained ? 'transaction' : 'nothing');
    if (isToSavepoint || isChained) return;
    this.#isReadOnly = false;
    this.#findings.endTransaction();
  }
}
