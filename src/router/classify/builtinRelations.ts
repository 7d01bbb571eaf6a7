// Relations of pg_catalog that a standby shows without complaint, and differently from what is meant.

import type { RuleName } from './rules.ts';

const ruleOf: ReadonlyMap<string, RuleName> = new Map([
  ['pg_cursors', 'session-state'],
  ['pg_prepared_statements', 'session-state'],
  ['pg_locks', 'relation-writes'],
  ['pg_prepared_xacts', 'relation-writes'],
  ['pg_replication_slots', 'relation-writes'],
  // A standby is told of 32 values at once, so that it is ahead of what was given out.
  ['pg_sequences', 'relation-writes'],
  ['pg_stat_replication', 'relation-writes'],
]);

const [underscore, p, g] = [95, 112, 103];

/** Undefined when it may be read on a replica. `start` is where the last part of the name begins, or its quote. */
export function judgeRelation(sql: string, start: number, name: () => string): RuleName | undefined {
  const at = sql.charCodeAt(start) === 34 ? start + 1 : start;
  // Every name of every statement comes by here, and hardly any of them is one of these.
  if (sql.charCodeAt(at + 2) !== underscore) return undefined;
  if ((sql.charCodeAt(at) | 32) !== p || (sql.charCodeAt(at + 1) | 32) !== g) return undefined;
  return ruleOf.get(name());
}
