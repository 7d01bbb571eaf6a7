// Every reason that a verdict can have, with its words for people. The names are API: they are in metrics,
// in logs and in docs/reference/routing.md, which a test compares with this table.

import type { Route } from './verdict.ts';

export interface Rule {
  readonly route: Route;
  /** Why, as the end of a sentence that begins with the token. */
  readonly because: string;
  /** Whether a hint may send the statement to a replica all the same: the rule is a doubt, not a finding. */
  readonly isDoubt?: true;
}

export type RuleName = keyof typeof rules;

export const rules = {
  read: { route: 'replica', because: 'nothing in the text writes, locks or depends on the session' },
  empty: { route: 'replica', because: 'there is no statement in the text' },
  show: { route: 'replica', because: 'SHOW reads a setting' },
  explain: { route: 'replica', because: 'EXPLAIN without ANALYZE plans the statement and does not run it' },
  'copy-to-client': { route: 'replica', because: 'COPY … TO STDOUT reads' },
  'begin-read-only': { route: 'replica', because: 'the transaction is declared READ ONLY' },
  'wait-for-lsn': { route: 'replica', because: 'WAIT FOR LSN waits for a standby to replay' },
  'hint-replica': { route: 'replica', because: 'a leading comment asks for a replica' },
  'hint-primary': { route: 'primary', because: 'a leading comment asks for the primary' },
  write: { route: 'primary', because: 'the statement changes data, definitions or the server' },
  'write-in-with': {
    route: 'primary',
    because: 'a query of the WITH list changes data, even if nothing reads it',
  },
  'select-into': { route: 'primary', because: 'SELECT INTO creates a table' },
  'lock-clause': { route: 'primary', because: 'rows are locked, which a standby refuses' },
  'lock-table': {
    route: 'primary',
    because: 'a table lock counts only on the primary, inside a transaction',
  },
  'function-writes': {
    route: 'primary',
    because: 'the function writes, locks, or means something only on the primary or in one session',
  },
  'function-unknown': {
    route: 'primary',
    because: 'nobody has said that the function only reads: allow it, or read the catalog',
    isDoubt: true,
  },
  'relation-writes': {
    route: 'primary',
    because: 'reading the relation writes, or means something on the primary only',
  },
  'begin-read-write': { route: 'primary', because: 'the transaction is not declared READ ONLY' },
  'begin-serializable': { route: 'primary', because: 'a hot standby refuses serializable transactions' },
  'transaction-control': { route: 'primary', because: 'the statement belongs to a transaction begun before' },
  'session-state': { route: 'primary', because: 'the statement changes or needs what one session holds' },
  'copy-loads': { route: 'primary', because: 'COPY … FROM loads data' },
  'copy-on-server': {
    route: 'primary',
    because: 'COPY to a file or program acts on the server that runs it',
  },
  opaque: { route: 'primary', because: 'what the called code does cannot be seen in the text' },
  'wait-on-primary': { route: 'primary', because: 'the mode of WAIT FOR LSN is one of the primary' },
  'statement-unknown': { route: 'primary', because: 'no statement that is known to read begins so' },
  unreadable: {
    route: 'primary',
    because: 'the text cannot be read from here on, as PostgreSQL would find too',
  },
  'too-long': { route: 'primary', because: 'the text is longer than what is worth reading' },
  'no-text': {
    route: 'primary',
    because: 'the text is not known: it was given by name, or inside an object',
  },
  learned: { route: 'primary', because: 'a replica has refused a statement of this shape before' },
  'denied-function': {
    route: 'denied',
    because: 'the function changes the role or the replay of whichever server runs it',
  },
  'denied-statement': {
    route: 'denied',
    because: 'ALTER SYSTEM changes the configuration of whichever server runs it',
  },
} as const satisfies Readonly<Record<string, Rule>>;
