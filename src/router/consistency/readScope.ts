// One request, job or session of the application: what it has written, and what it has read, decides what it may read next.
//
// Invariant: everything that is awaited inside `runInScope` is inside, and nothing else. Scopes that are nested share what they have
// written and seen, because they belong to one caller; they differ in the consistency that they ask for.

import { AsyncLocalStorage } from 'node:async_hooks';
import { RouterError } from '../routerError.ts';
import { findUnknownNames, type NamesOf } from '../unknownNames.ts';
import { assertConsistency, type Consistency } from './consistency.ts';
import { ReadMarks } from './readMarks.ts';

export interface ScopeOptions {
  /** Of every read inside that does not ask for another. Default: that of the scope around it, else of the pool. */
  readonly consistency?: Consistency | undefined;
  /** What another process has given for what it has written and seen. See `ReadScope.token`. */
  readonly token?: string | undefined;
}

/** Who routes by the marks of a scope; a process may have several, of different topologies. */
export interface ScopeUser {
  /** Puts what a token says into the marks. */
  acceptToken(token: string, marks: ReadMarks): void;
  /** A token for the marks, if it has a key and there is anything to tell. */
  issueToken(marks: ReadMarks): string | undefined;
}

/** What one user knows of the scopes of one caller. */
interface Entry {
  readonly marks: ReadMarks;
  readonly accepted: Set<string>;
}

const optionNames: NamesOf<ScopeOptions> = { consistency: true, token: true };

export class ReadScope {
  readonly consistency: Consistency | undefined;
  readonly #tokens: readonly string[];
  readonly #entries: Map<ScopeUser, Entry>;

  constructor({ consistency, token }: ScopeOptions, parent?: ReadScope) {
    assertConsistency(consistency);
    this.consistency = consistency ?? parent?.consistency;
    this.#tokens = [...(parent === undefined ? [] : parent.#tokens), ...(token === undefined ? [] : [token])];
    this.#entries = parent === undefined ? new Map<ScopeUser, Entry>() : parent.#entries;
  }

  marksOf(user: ScopeUser): ReadMarks {
    let entry = this.#entries.get(user);
    if (entry === undefined) {
      entry = { marks: new ReadMarks(), accepted: new Set() };
      this.#entries.set(user, entry);
    }
    for (const token of this.#tokens) {
      if (entry.accepted.has(token)) continue;
      entry.accepted.add(token);
      user.acceptToken(token, entry.marks);
    }
    return entry.marks;
  }

  /**
   * For another process, or the next request of the same client: a read with it sees at least what this scope has written and seen.
   * Waits for nothing: while there is no position for the last write yet, the token says so and the reader goes by its own time.
   * Undefined when nothing was written or seen, or nobody has a key.
   */
  token(): string | undefined {
    const tokens = [...this.#entries].map(([user, { marks }]) => user.issueToken(marks));
    const all = tokens.filter((token) => token !== undefined);
    return all.length === 0 ? undefined : all.join(',');
  }
}

const scopes = new AsyncLocalStorage<ReadScope>();

/** Runs `fn` in a scope of its own, and returns what it returns. @throws RouterError `RPG_CONFIG_INVALID` */
export function runInScope<T>(options: ScopeOptions, fn: () => T): T {
  const problems = findUnknownNames(options, optionNames, 'runInScope');
  if (problems.length > 0) throw new RouterError('RPG_CONFIG_INVALID', problems.join('; '));
  return scopes.run(new ReadScope(options, scopes.getStore()), fn);
}

/** The scope around the caller; undefined outside of any. */
export function currentScope(): ReadScope | undefined {
  return scopes.getStore();
}
