// Reads one query (SELECT, VALUES, TABLE, WITH, or the query inside another statement) and notes what speaks
// against a replica: calls, lock clauses, INTO, data-modifying WITH. It understands only as much grammar as it
// takes to tell these from what merely looks like them.

import { judgeRelation } from './builtinRelations.ts';
import type { Findings } from './findings.ts';
import { Lexer } from './lexer.ts';
import { NameBefore } from './nameBefore.ts';
import { hasFor, inGroupBy, inWith, isBody, isPrefix, isSetConfig } from './parenthesis.ts';
import type { RuleBook } from './ruleBook.ts';
import * as token from './tokens.ts';
import { isReserved } from './tokens.ts';

/** Deeper nesting than any query that people or programs write. PostgreSQL's own stack ends a little later. */
const maxDepth = 2_000;

export class QueryScan {
  readonly #lexer: Lexer;
  readonly #findings: Findings;
  readonly #book: RuleBook;
  /** EXPLAIN without ANALYZE: nothing of the query runs but what the planner evaluates. */
  readonly #isPlanned: boolean;
  readonly #levels: number[] = [];
  readonly #name = new NameBefore();
  #level = isBody;
  // The token before the current one. A query begins as if a parenthesis had been opened.
  #kind = token.OPEN;
  #word = 0;

  constructor(lexer: Lexer, findings: Findings, book: RuleBook, isPlanned = false) {
    this.#lexer = lexer;
    this.#findings = findings;
    this.#book = book;
    this.#isPlanned = isPlanned;
  }

  /** Reads to the end of the statement, or to the parenthesis that closes one opened before; there it stays. */
  run(): void {
    const lexer = this.#lexer;
    for (; ; lexer.next()) {
      const { kind } = lexer;
      if (kind === token.WORD) this.#readWord();
      else if (kind === token.QUOTED) this.#readQuoted();
      else if (kind === token.OPEN || kind === token.OPEN_BRACKET) {
        if (!this.#open(kind)) return;
      } else if (kind === token.CLOSE || kind === token.CLOSE_BRACKET) {
        if (!this.#close(kind)) return;
      } else if (kind === token.END || kind === token.SEMICOLON || kind === token.UNREADABLE) {
        if (kind === token.UNREADABLE || this.#levels.length > 0)
          this.#findings.note('unreadable', lexer.start);
        return;
      } else {
        this.#kind = kind;
        this.#word = 0;
      }
    }
  }

  #readWord(): void {
    const { word } = this.#lexer;
    const isLabel = this.#word === token.AS && !staysAfterAs(word);
    const isName = isLabel || this.#kind === token.DOT || (this.#kind === token.CAST && !isTypeWord(word));
    if (word !== 0 && !isName) this.#readKeyword(word);
    this.#name.take(this.#lexer, this.#kind, this.#word);
    if (!isLabel) this.#checkRelation();
    this.#kind = token.WORD;
    this.#word = isName ? 0 : word;
  }

  #readQuoted(): void {
    const isLabel = this.#word === token.AS;
    this.#name.take(this.#lexer, this.#kind, this.#word);
    if (!isLabel) this.#checkRelation();
    this.#kind = token.QUOTED;
    this.#word = 0;
  }

  /** Every name is looked at, not only those after FROM: too careful for a column that is called like a view. */
  #checkRelation(): void {
    if (this.#isPlanned) return;
    const { sql } = this.#lexer;
    const name = this.#name;
    const builtin = judgeRelation(sql, name.lastStart, () => name.lastPart(sql));
    if (builtin !== undefined && (name.parts === 1 || name.firstPart(sql) === 'pg_catalog')) {
      this.#findings.note(builtin, name.start);
    }
    if (!this.#book.hasRelations) return;
    const last = name.lastPart(sql);
    const isListed =
      this.#book.relations.has(last) ||
      (name.parts === 2 && this.#book.relations.has(`${name.firstPart(sql)}.${last}`));
    if (isListed) this.#findings.note('relation-writes', name.start);
  }

  #readKeyword(word: number): void {
    switch (word) {
      case token.INTO:
        this.#noteWrite('select-into');
        return;
      case token.TEMP:
      case token.TEMPORARY:
        if (this.#word === token.INTO || this.#word === token.LOCAL) this.#findings.pin('session');
        return;
      case token.UPDATE:
      case token.SHARE:
      case token.NO:
      case token.KEY:
        if (this.#word === token.FOR && (this.#level & hasFor) === 0) {
          this.#findings.note('lock-clause', this.#lexer.start);
        } else if (word === token.UPDATE) this.#readWritingVerb();
        return;
      case token.INSERT:
      case token.DELETE:
      case token.MERGE:
        this.#readWritingVerb();
        return;
      case token.WITH:
        if (this.#kind === token.OPEN) this.#level |= inWith;
        return;
      case token.VALUES:
        if (!this.#isBeforeCteName()) this.#level &= ~inWith;
        return;
      case token.PG_TEMP:
        this.#findings.note('session-state', this.#lexer.start);
        return;
      default:
        this.#readClause(word);
    }
  }

  #readClause(word: number): void {
    switch (word) {
      case token.SELECT:
      case token.TABLE:
        this.#level &= ~(inWith | inGroupBy);
        return;
      case token.BY:
        if (this.#word === token.GROUP) this.#level |= inGroupBy;
        return;
      case token.HAVING:
      case token.ORDER:
      case token.WINDOW:
      case token.LIMIT:
      case token.FETCH:
      case token.UNION:
      case token.INTERSECT:
      case token.EXCEPT:
        this.#level &= ~inGroupBy;
        return;
    }
  }

  /** What stands before the name of a WITH query. Before the verb of the main statement stands its body. */
  #isBeforeCteName(): boolean {
    return this.#word === token.WITH || this.#word === token.RECURSIVE || this.#kind === token.COMMA;
  }

  #readWritingVerb(): void {
    const isFirst = this.#kind === token.OPEN && (this.#level & isBody) !== 0;
    const isMain = (this.#level & inWith) !== 0 && !this.#isBeforeCteName();
    if (isFirst || isMain) this.#noteWrite(this.#levels.length === 0 ? 'write' : 'write-in-with');
  }

  #noteWrite(rule: 'write' | 'write-in-with' | 'select-into'): void {
    if (!this.#isPlanned) this.#findings.note(rule, this.#lexer.start);
  }

  #open(kind: number): boolean {
    if (this.#levels.length >= maxDepth) {
      this.#findings.note('unreadable', this.#lexer.start);
      return false;
    }
    // After the WITH list the main query may be in parentheses.
    if (this.#kind === token.CLOSE) this.#level &= ~inWith;
    const isAfterName = this.#kind === token.WORD || this.#kind === token.QUOTED;
    const level = isAfterName && kind === token.OPEN ? this.#levelAfterName() : 0;
    this.#levels.push(this.#level);
    this.#level = level;
    this.#kind = kind;
    this.#word = 0;
    return true;
  }

  #close(kind: number): boolean {
    const outer = this.#levels.pop();
    if (outer === undefined) return false;
    if ((this.#level & isSetConfig) !== 0) {
      const isLocal = this.#word === token.TRUE && this.#name.kind === token.COMMA;
      this.#findings.pin(isLocal ? 'transaction' : 'session');
    }
    this.#kind = (this.#level & isPrefix) === 0 ? kind : token.OPERATOR;
    this.#word = 0;
    this.#level = outer;
    return true;
  }

  #levelAfterName(): number {
    const word = this.#word;
    const before = this.#name.word;
    const isAfterAs = before === token.AS || (before === token.NOT && this.#name.wordBefore === token.AS);
    if (word === token.AS || (word === token.MATERIALIZED && isAfterAs)) {
      return (this.#level & inWith) === 0 ? 0 : isBody;
    }
    if (word === token.ON && before === token.DISTINCT) return isPrefix;
    if (word === token.SETS && before === token.GROUPING) return inGroupBy;
    if (word === token.OPERATOR_WORD && this.#isOperatorName()) return isPrefix;
    if (isReserved(word) || !this.#name.opensCall(word, this.#level)) return 0;
    if (word === token.SUBSTRING || word === token.OVERLAY) return hasFor;
    return this.#readCall();
  }

  /** `OPERATOR(schema.+)`, and not a call of a function of that name. */
  #isOperatorName(): boolean {
    const ahead = new Lexer(this.#lexer.sql);
    ahead.end = this.#lexer.end;
    do ahead.next();
    while (ahead.kind === token.WORD || ahead.kind === token.QUOTED || ahead.kind === token.DOT);
    if (ahead.kind !== token.OPERATOR) return false;
    do ahead.next();
    while (ahead.kind === token.OPERATOR);
    return ahead.kind === token.CLOSE;
  }

  #readCall(): number {
    const name = this.#name;
    const { sql } = this.#lexer;
    if (!name.isPlain) {
      if (!this.#isPlanned) this.#findings.note('function-unknown', name.start);
      return 0;
    }
    const last = name.lastPart(sql);
    const schema = name.parts === 2 ? name.firstPart(sql) : undefined;
    const judgement = this.#book.functions.judge(schema, last, name.isLastQuoted(sql));
    if (judgement === undefined || (this.#isPlanned && !judgement.isPlanned)) return 0;
    const isSetting = last === 'set_config' && judgement.rule === 'function-writes';
    this.#findings.note(judgement.rule, name.start, isSetting ? 'nothing' : judgement.pins);
    return isSetting ? isSetConfig : 0;
  }
}

/** Whether the statement that begins at the current token is a query. */
export function beginsQuery({ kind, word }: Lexer): boolean {
  return (
    kind === token.OPEN ||
    word === token.SELECT ||
    word === token.WITH ||
    word === token.VALUES ||
    word === token.TABLE
  );
}

/** Words that may stand in a type before another word of it and a parenthesis: `interval second(3)`. */
function isTypeWord(word: number): boolean {
  switch (word) {
    case token.INTERVAL:
    case token.CHARACTER:
    case token.CHAR:
    case token.NCHAR:
    case token.BIT:
      return true;
    default:
      return false;
  }
}

/** After AS any word is a label or a type, save those of `AS [NOT] MATERIALIZED`. */
function staysAfterAs(word: number): boolean {
  return word === token.MATERIALIZED || word === token.NOT || isTypeWord(word);
}
