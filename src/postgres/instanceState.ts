// What an instance's own server says about itself: one statement, one row. Asked by the agent every second
// over the local socket.

import { formatLsn, type Lsn, parseLsn } from './lsn.ts';
import type { Row } from './query.ts';

/** One physical replication slot. */
export interface SlotState {
  readonly name: string;
  readonly active: boolean;
  /** `lost` when WAL that its replica needs is gone. */
  readonly walStatus: string | null;
}

export interface InstanceState {
  readonly role: 'primary' | 'replica';
  readonly timeline: number;
  /** Written on a primary; received or replayed, whichever is further, on a replica. */
  readonly lsn: Lsn;
  readonly replayedLsn: Lsn | null;
  readonly pendingRestart: readonly string[];
  readonly slots: readonly SlotState[];
  /** Whether a WAL receiver streams; null on a primary. */
  readonly streaming: boolean | null;
}

// A replica that has not begun to stream has no received position; what it has replayed is the least it has.
export const instanceStateSql = `
  select pg_is_in_recovery() as in_recovery,
         case when pg_is_in_recovery()
           then coalesce((select received_tli from pg_stat_wal_receiver),
                         (select timeline_id from pg_control_checkpoint()))
           else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
         end as timeline,
         case when pg_is_in_recovery()
           then greatest(coalesce(pg_last_wal_receive_lsn(), '0/0'), coalesce(pg_last_wal_replay_lsn(), '0/0'))
           else pg_current_wal_lsn()
         end::text as lsn,
         pg_last_wal_replay_lsn()::text as replayed_lsn,
         (select coalesce(json_agg(name order by name), '[]') from pg_settings where pending_restart) as pending_restart,
         (select coalesce(json_agg(json_build_object('name', slot_name, 'active', active, 'walStatus', wal_status)
                                   order by slot_name), '[]')
            from pg_replication_slots where slot_type = 'physical' and not temporary) as slots,
         (select status = 'streaming' from pg_stat_wal_receiver) as streaming`;

/** Turns the row into a value; throws when it is not the row of `instanceStateSql`. */
export function readInstanceState(row: Row | undefined): InstanceState {
  if (row === undefined) throw new Error('the server answered without a row');
  const inRecovery = row['in_recovery'] === true;
  const replayed = row['replayed_lsn'];
  return {
    role: inRecovery ? 'replica' : 'primary',
    timeline: Number(row['timeline']),
    lsn: parseLsn(String(row['lsn'])),
    replayedLsn: inRecovery && typeof replayed === 'string' ? parseLsn(replayed) : null,
    pendingRestart: row['pending_restart'] as string[],
    slots: row['slots'] as SlotState[],
    streaming: inRecovery ? row['streaming'] === true : null,
  };
}

/** For documents and logs. */
export function formatState(state: InstanceState): { lsn: string; replayedLsn: string | null } {
  return {
    lsn: formatLsn(state.lsn),
    replayedLsn: state.replayedLsn === null ? null : formatLsn(state.replayedLsn),
  };
}
