// The classifier of one pool: verdicts are kept, and what a replica has refused once is not sent there again.

import { classify } from './classify.ts';
import type { ClassifySettings } from './classifySettings.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { Verdict } from './verdict.ts';
import { VerdictCache } from './verdictCache.ts';

/** A shape of statements that a replica has refused. Plain data, to be kept as configuration. */
export interface LearnedRule {
  readonly fingerprint: string;
  /** The SQLSTATE of the refusal, for people. */
  readonly sqlState: string;
}

export interface ClassifierSettings extends ClassifySettings {
  /** What `exportLearned` gave, from this or another process. */
  readonly learned?: readonly LearnedRule[];
}

/**
 * SQLSTATEs with which a hot standby refuses what belongs on the primary: read_only_sql_transaction,
 * object_not_in_prerequisite_state (recovery is in progress), feature_not_supported (serializable, READ WRITE,
 * unlogged tables), internal_error (cannot assign OIDs during recovery).
 */
export const refusalStates: ReadonlySet<string> = new Set(['25006', '55000', '0A000', 'XX000']);

/** Of a statement without a text, which may be anything. */
const noText: Verdict = { route: 'primary', rule: 'no-text', position: 0, pins: 'nothing' };

/** More shapes than an application has statements that are wrongly taken for reads. The oldest one goes. */
const maxLearned = 1_000;

export class Classifier {
  readonly #settings: ClassifySettings;
  readonly #learned = new Map<string, LearnedRule>();
  readonly #cache = new VerdictCache();
  #merged: ClassifySettings;

  constructor(settings: ClassifierSettings = {}) {
    this.#settings = settings;
    this.#merged = settings;
    for (const rule of settings.learned ?? []) this.#add(rule);
  }

  /** Never throws. The object is shared between calls. Undefined: the text is not known. */
  verdictOf(sql: string | undefined): Verdict {
    if (sql === undefined) return noText;
    const text = withoutTrailingComment(sql);
    const known = this.#cache.get(text);
    if (known !== undefined) return known;
    const verdict = this.#judge(text);
    this.#cache.set(text, verdict);
    return verdict;
  }

  /** A replica has refused the statement: from now on its shape runs on the primary. Other errors teach nothing. */
  learn(sql: string | undefined, sqlState: string): void {
    if (sql === undefined || !refusalStates.has(sqlState) || this.verdictOf(sql).route !== 'replica') return;
    this.#add({ fingerprint: fingerprintOf(sql), sqlState });
    this.#cache.clear();
  }

  /** Everything learned, oldest first; give it to `learned` of another classifier. */
  exportLearned(): readonly LearnedRule[] {
    return [...this.#learned.values()];
  }

  /** Takes what `readCatalog` found in the database, in the place of what it found before. */
  useCatalog(catalog: ClassifySettings): void {
    this.#merged = mergeSettings(this.#settings, catalog);
    this.#cache.clear();
  }

  #judge(sql: string): Verdict {
    const verdict = classify(sql, this.#merged);
    if (verdict.route !== 'replica' || this.#learned.size === 0) return verdict;
    if (!this.#learned.has(fingerprintOf(sql))) return verdict;
    return { route: 'primary', rule: 'learned', position: 0, pins: verdict.pins };
  }

  #add(rule: LearnedRule): void {
    this.#learned.set(rule.fingerprint, rule);
    const [oldest] = this.#learned.keys();
    if (this.#learned.size > maxLearned && oldest !== undefined) this.#learned.delete(oldest);
  }
}

/** What is allowed or kept away by one is so by both. */
export function mergeSettings(own: ClassifySettings, other: ClassifySettings): ClassifySettings {
  const both = (key: 'allowFunctions' | 'denyFunctions' | 'allowDenied' | 'primaryRelations') => [
    ...(own[key] ?? []),
    ...(other[key] ?? []),
  ];
  return {
    ...own,
    allowFunctions: both('allowFunctions'),
    denyFunctions: both('denyFunctions'),
    allowDenied: both('allowDenied'),
    primaryRelations: both('primaryRelations'),
  };
}

/**
 * Tracing adds a comment to the end of each statement, different every time, which would defeat the cache.
 *
 * Without reading the text it is safe to cut off the last comment only if it has no line end and no other
 * comment in it: then, whatever the text before leaves open (a line comment, a literal, a comment), the rest
 * is read as with it, or cannot be read at all.
 */
function withoutTrailingComment(sql: string): string {
  if (!sql.endsWith('*/')) return sql;
  const start = sql.lastIndexOf('/*');
  if (start <= 0 || sql.indexOf('*/', start + 2) !== sql.length - 2) return sql;
  return /[\r\n]/.test(sql.slice(start)) ? sql : sql.slice(0, start);
}
