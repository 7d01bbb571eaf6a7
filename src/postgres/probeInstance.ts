// Everything the operator wants to know of one server, in one round trip. In: a way to send a statement. Out: one value.

import { type Lsn, parseLsn } from './lsn.ts';
import type { Query, Row } from './query.ts';

/** What a server said about itself. Positions are null where the server has none of that kind. */
export interface InstanceProbe {
  readonly role: 'primary' | 'replica';
  readonly systemIdentifier: string;
  /** Of the WAL being written (primary) or received (replica; while nothing is received, of the last checkpoint). */
  readonly timeline: number;
  /** Written (primary) or received (replica). */
  readonly receivedLsn: Lsn | null;
  /** Replayed (replica); the written position on a primary. */
  readonly replayedLsn: Lsn | null;
  readonly replayPaused: boolean;
  /** Null when there is no WAL receiver process: on a primary, and on a replica that has lost its primary. */
  readonly receiver: WalReceiver | null;
  /** Parameters that take effect at the next restart, sorted. */
  readonly pendingRestart: readonly string[];
  /** As `server_version_num`: 170004. */
  readonly serverVersion: number;
}

export interface WalReceiver {
  /** `streaming`, `waiting`, `starting`, `restarting`, `stopping`. */
  readonly status: string;
  /** End of the primary's WAL as it last told. */
  readonly latestEndLsn: Lsn | null;
  /** Milliseconds since the primary last said anything; null when it never did. */
  readonly silentMs: number | null;
  readonly timeline: number | null;
}

// Functions that exist for one role only are guarded by CASE, which evaluates volatile functions on the chosen branch alone.
// The receiver's row is written without its private columns for a role that may not read them, hence pg_monitor. The time of
// the last message matters, because a receiver that was cut off keeps the status streaming until wal_receiver_timeout.
const probeInstanceSql = `
  with server as (select pg_is_in_recovery() as in_recovery)
  select in_recovery,
         (select system_identifier::text from pg_control_system()) as system_identifier,
         case when in_recovery
              then coalesce(receiver.received_tli, (select timeline_id from pg_control_checkpoint()))
              else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
         end as timeline,
         case when in_recovery
              then coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
              else pg_current_wal_lsn()
         end::text as received_lsn,
         case when in_recovery then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text as replayed_lsn,
         case when in_recovery then pg_is_wal_replay_paused() else false end as replay_paused,
         receiver.status as receiver_status,
         receiver.latest_end_lsn::text as receiver_latest_end_lsn,
         (extract(epoch from clock_timestamp() - receiver.last_msg_receipt_time) * 1000)::float8 as receiver_silent_ms,
         receiver.received_tli as receiver_timeline,
         (select coalesce(json_agg(name order by name), '[]') from pg_settings where pending_restart) as pending_restart,
         current_setting('server_version_num')::int as server_version
    from server left join pg_stat_wal_receiver as receiver on true`;

/** Asks the server once. Throws what the driver throws. */
export async function probeInstance(query: Query): Promise<InstanceProbe> {
  const { rows } = await query(probeInstanceSql);
  return readInstanceProbe(rows[0]);
}

/** The pure half of the probe. Throws when the row is not an answer to its statement. */
export function readInstanceProbe(row: Row | undefined): InstanceProbe {
  if (row === undefined) throw new Error('the probe of an instance returned no row');
  return {
    role: row['in_recovery'] === true ? 'replica' : 'primary',
    systemIdentifier: String(row['system_identifier']),
    timeline: Number(row['timeline']),
    receivedLsn: readLsn(row['received_lsn']),
    replayedLsn: readLsn(row['replayed_lsn']),
    replayPaused: row['replay_paused'] === true,
    receiver: readReceiver(row),
    pendingRestart: readNames(row['pending_restart']),
    serverVersion: Number(row['server_version']),
  };
}

function readReceiver(row: Row): WalReceiver | null {
  const status = row['receiver_status'];
  if (typeof status !== 'string') return null;
  const silentMs = row['receiver_silent_ms'];
  const timeline = row['receiver_timeline'];
  return {
    status,
    latestEndLsn: readLsn(row['receiver_latest_end_lsn']),
    silentMs: typeof silentMs === 'number' ? Math.max(0, silentMs) : null,
    timeline: typeof timeline === 'number' ? timeline : null,
  };
}

function readLsn(value: unknown): Lsn | null {
  return typeof value === 'string' ? parseLsn(value) : null;
}

function readNames(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
