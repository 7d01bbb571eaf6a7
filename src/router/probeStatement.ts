// The one statement by which a router asks an instance what it is, and what its answer means.
//
// It needs no more than a role that may connect. By default PUBLIC may execute everything in it; managed servers take away the
// `pg_control_…` functions, and then the next shorter statement is sent. What is lost with each step:
//
// - `full`: nothing on a primary. On a replica the receiver's timeline is for pg_read_all_stats alone; for others it is that of
//   the control file, which may name the former timeline until the first restart point after a failover.
// - `withoutControl`: the system identifier, so that a server of another database system is not recognised, and the timeline
//   of replicas, so that a primary on an old timeline is recognised by other primaries alone.
// - `bare`: also the timeline of a primary. Then a promoted replica cannot prove that it is newer, and writes follow the document
//   alone; two that both say that they are primary are both not written to.
//
// Invariant: no state of a session is needed, set or trusted, because behind PgBouncer every statement may be on another one. The
// server's `in_hot_standby` report is not looked at: PgBouncer repeats what it was told before a promotion.

import { parseSwitchover, switchoverSetting } from '../endpoints/switchoverSetting.ts';
import { type Lsn, parseLsn } from '../postgres/lsn.ts';
import type { Row } from '../postgres/query.ts';
import type { AnsweredProbe } from './observation.ts';

/** From the one that tells most to the one that needs least. */
export const probeKinds = ['full', 'withoutControl', 'bare'] as const;
export type ProbeKind = (typeof probeKinds)[number];

const control = {
  identifier: '(select system_identifier::text from pg_control_system())',
  timeline: `greatest((select timeline_id from pg_control_checkpoint()),
                      (select nullif(min_recovery_end_timeline, 0) from pg_control_recovery()))`,
};
const walTimeline = `('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int`;

// CASE evaluates functions that exist for one role only on the chosen branch. Who may not read the receiver's row gets it with
// nothing but the process's number, so that its being there counts as streaming. The start of the server, to the microsecond,
// tells one server at two addresses from two servers.
const build = (identifier: string, replicaTimeline: string, primaryTimeline: string) => `
  with server as (select pg_is_in_recovery() as in_recovery)
  select in_recovery,
         ${identifier} as system_identifier,
         case when in_recovery then ${replicaTimeline} else ${primaryTimeline} end as timeline,
         case when in_recovery then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text as lsn,
         case when in_recovery then null else pg_current_wal_insert_lsn() end::text as insert_lsn,
         case when in_recovery
              then exists (select from pg_stat_wal_receiver where coalesce(status, 'streaming') = 'streaming')
              else true
         end as is_streaming,
         current_setting('${switchoverSetting}', true) as switchover,
         current_setting('wal_block_size')::int as block_bytes,
         pg_size_bytes(current_setting('wal_segment_size'))::float8 as segment_bytes,
         extract(epoch from pg_postmaster_start_time())::text as server_start,
         current_setting('server_version_num')::int as server_version
    from server`;

export const probeSql: Readonly<Record<ProbeKind, string>> = {
  full: build(
    control.identifier,
    `coalesce((select received_tli from pg_stat_wal_receiver), ${control.timeline})`,
    walTimeline,
  ),
  withoutControl: build('null::text', '(select received_tli from pg_stat_wal_receiver)', walTimeline),
  bare: build('null::text', 'null::int', 'null::int'),
};

/** The shorter statement to send after this error; undefined when the error is about something else. */
export function shorterProbe(kind: ProbeKind, error: unknown): ProbeKind | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  // insufficient_privilege, undefined_function, and what forks say of functions that they do not have.
  if (code !== '42501' && code !== '42883' && code !== '0A000') return undefined;
  return probeKinds[probeKinds.indexOf(kind) + 1];
}

/** Throws when the row is not an answer to the statement. */
export function readProbeAnswer(row: Row | undefined): AnsweredProbe {
  const isInRecovery = row?.['in_recovery'];
  if (row === undefined || typeof isInRecovery !== 'boolean') {
    throw new Error('the probe was answered with something else');
  }
  return {
    kind: 'answered',
    role: isInRecovery ? 'replica' : 'primary',
    systemIdentifier: readText(row['system_identifier']),
    timeline: typeof row['timeline'] === 'number' ? row['timeline'] : null,
    lsn: readLsn(row['lsn']),
    insertedLsn: readInsertedLsn(row),
    server: readText(row['server_start']),
    switchover: isInRecovery ? null : parseSwitchover(readText(row['switchover'])),
    isStreaming: row['is_streaming'] === true,
    serverVersion: Number(row['server_version']),
  };
}

// Sizes of the headers of a page of WAL, of the first one in a segment and of every other one: SizeOfXLogLongPHD, SizeOfXLogShortPHD.
const segmentHeaderBytes = 40n;
const pageHeaderBytes = 24n;

/**
 * Where the next record will begin is behind the header of its page, but replay that has seen everything stops before that header.
 * On an idle primary, after a segment was closed, no replica would ever seem to have replayed it all.
 */
function readInsertedLsn(row: Row): Lsn | null {
  const lsn = readLsn(row['insert_lsn']);
  const [blockBytes, segmentBytes] = [Number(row['block_bytes']), Number(row['segment_bytes'])];
  if (lsn === null || !(blockBytes > 0) || !(segmentBytes > 0)) return lsn;
  if (lsn % BigInt(segmentBytes) === segmentHeaderBytes) return (lsn - segmentHeaderBytes) as Lsn;
  return lsn % BigInt(blockBytes) === pageHeaderBytes ? ((lsn - pageHeaderBytes) as Lsn) : lsn;
}

function readText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function readLsn(value: unknown): Lsn | null {
  return typeof value === 'string' ? parseLsn(value) : null;
}
