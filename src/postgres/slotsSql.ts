// Physical replication slots: the primary keeps one for every other instance, so that the WAL a replica
// still needs stays, up to `max_slot_wal_keep_size`.

/** Reserves WAL at once: a replica that is about to be cloned must find everything from then on. */
export const createSlotSql = 'select pg_catalog.pg_create_physical_replication_slot($1, true)';

/** Fails on a slot that is in use, which is right: its replica is still there. */
export const dropSlotSql = 'select pg_catalog.pg_drop_replication_slot($1)';
