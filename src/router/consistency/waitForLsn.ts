// PostgreSQL 19 lets a session of a standby wait for a position (`WAIT FOR LSN`, documentation of 19, sql-wait-for). Text and answer
// only; who sends it does so as a statement of its own, in no transaction, before the read on the same connection.
//
// Invariant: only `success` lets the read go on there. A promotion ends the wait with `not in recovery`, and the position may then
// belong to a history that was left.

import { formatLsn, type Lsn } from '../../postgres/lsn.ts';
import type { Row } from '../../postgres/query.ts';

/** As `server_version_num`. */
const firstVersionWithWait = 190_000;

export function canWaitForLsn(serverVersion: number | null): boolean {
  return serverVersion !== null && serverVersion >= firstVersionWithWait;
}

/** Answers with one row and never with an error. */
export function waitForLsnSql(lsn: Lsn, timeoutMs: number): string {
  const timeout = `${Math.max(1, Math.ceil(timeoutMs))}ms`;
  return `WAIT FOR LSN '${formatLsn(lsn)}' WITH (MODE 'standby_replay', TIMEOUT '${timeout}', NO_THROW)`;
}

export type LsnWait = 'reached' | 'timeout' | 'not in recovery';

/** @throws when the row is no answer to `WAIT FOR LSN` */
export function readLsnWait(row: Row | undefined): LsnWait {
  const status = row?.['status'];
  if (status === 'success') return 'reached';
  if (status === 'timeout' || status === 'not in recovery') return status;
  throw new Error(`"${String(status)}" is no answer to WAIT FOR LSN`);
}
