// What a team says about its own database, because the text of a statement cannot.

export interface ClassifySettings {
  /**
   * Functions that only read: `name` for calls without a schema, `schema.name` for qualified ones, both with
   * a `*` at the end for all that begin so (`st_*`, `reports.*`). Names are written as in SQL: without quotes
   * they are lower case. A built-in function that is known to write stays on the primary all the same.
   */
  readonly allowFunctions?: readonly string[];
  /** Functions that must run on the primary, with any schema or none; stronger than `allowFunctions`. */
  readonly denyFunctions?: readonly string[];
  /** Refused calls and statements to let through to the primary: `pg_promote`, …, or `alter system`. */
  readonly allowDenied?: readonly string[];
  /** Views that write when read, and unlogged tables, which no standby can read: `name` or `schema.name`. */
  readonly primaryRelations?: readonly string[];
  /** The setting of the server; false only where a backslash escapes in plain literals. Default true. */
  readonly standardConformingStrings?: boolean;
}

/** A list of names that is asked in front of every query. */
export class NameList {
  readonly #names = new Set<string>();
  readonly #prefixes: string[] = [];

  constructor(entries: readonly string[] = []) {
    for (const entry of entries) {
      const name = nameOf(entry);
      // A quoted name may end with an asterisk of its own.
      if (entry.trimEnd().endsWith('*')) this.#prefixes.push(name.slice(0, -1));
      else this.#names.add(name);
    }
  }

  get isEmpty(): boolean {
    return this.#names.size === 0 && this.#prefixes.length === 0;
  }

  has(name: string): boolean {
    return this.#names.has(name) || this.#prefixes.some((prefix) => name.startsWith(prefix));
  }
}

/** `app."Total"` → `app.Total`: what is not quoted is lower case, as PostgreSQL folds it. */
function nameOf(entry: string): string {
  return entry
    .trim()
    .split(/("(?:[^"]|"")*")/)
    .map((part) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : foldName(part)))
    .join('');
}

/** Lower case for the letters of ASCII only: PostgreSQL leaves the others as they are. */
export function foldName(name: string): string {
  return /[A-Z]/.test(name) ? name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : name;
}
