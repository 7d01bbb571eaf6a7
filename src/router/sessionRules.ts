// What the text of a statement, or the rule that it was classified by, means for the client that sends it.

/** Generous: to call an outcome unknown that is known costs a look, the other way round it costs data. */
export const mayCommit = /\b(?:commit|end|prepare)\b|\b(?:rollback|abort)\b[\s\S]*;\s*\S/i;

/** A replica would take the lock or run the function, and nobody else would know of it. */
export const meansNothingOnReplica: ReadonlySet<string> = new Set(['function-writes', 'lock-table']);

/** A setting of the session, a temporary table: what they leave may be what the next read goes by. */
export const leavesUnknownState: ReadonlySet<string> = new Set(['function-unknown', 'opaque']);
