// What the catalog does not say of built-in functions, read in PostgreSQL's documentation and source and tried
// on hot standbys. pg_proc calls everything volatile that may answer differently twice, so a random number is
// as volatile as a write; and it calls some functions stable that a standby refuses.

/** Volatile functions that only read. The reason is what a reviewer has to believe. */
export const harmlessVolatile: Readonly<Record<string, readonly string[]>> = {
  'chance and clock: nothing of it is kept, save a seed, which setseed sets and so is not here': [
    'random random_normal array_sample array_shuffle gen_random_uuid uuidv4 uuidv7 clock_timestamp timeofday',
  ],
  'only waits': ['pg_sleep pg_sleep_for pg_sleep_until'],
  'tells about the statement or the server that runs it': [
    'current_query pg_is_in_recovery pg_jit_available pg_current_logfile pg_get_backend_memory_contexts',
    'pg_get_shmem_allocations pg_get_shmem_allocations_numa pg_get_loaded_modules pg_get_wait_events pg_get_aios',
    'pg_get_wal_resource_managers pg_show_all_file_settings pg_hba_file_rules pg_ident_file_mappings',
    'pg_control_checkpoint pg_control_init pg_control_recovery pg_control_system',
  ],
  'positions of replay: they have a value on a standby only': [
    'pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_is_wal_replay_paused',
    'pg_get_wal_replay_pause_state',
  ],
  'sizes of files': [
    'pg_database_size pg_indexes_size pg_relation_size pg_table_size pg_tablespace_size pg_total_relation_size',
  ],
  'looks at transactions, and takes none': [
    'pg_xact_status txid_status pg_xact_commit_timestamp pg_xact_commit_timestamp_origin pg_last_committed_xact',
    'pg_get_multixact_members',
  ],
  'looks at catalogs': [
    'pg_partition_ancestors pg_partition_tree pg_collation_actual_version pg_database_collation_actual_version',
  ],
  'counters of the server that runs it': [
    'pg_stat_have_stats pg_stat_get_backend_io pg_stat_get_backend_wal pg_stat_get_io',
    'pg_stat_get_recovery_prefetch pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit',
    'pg_stat_get_xact_function_calls pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time',
    'pg_stat_get_xact_numscans pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched',
    'pg_stat_get_xact_tuples_hot_updated pg_stat_get_xact_tuples_inserted',
    'pg_stat_get_xact_tuples_newpage_updated pg_stat_get_xact_tuples_returned',
    'pg_stat_get_xact_tuples_updated',
  ],
  'reads a large object whole; the other functions of large objects write or keep one open': ['lo_get'],
};

/** Stable or immutable functions that do not belong on a replica. */
export const harmfulStable: Readonly<Record<string, readonly string[]>> = {
  'assigns a transaction id, which a standby cannot': ['txid_current pg_current_xact_id'],
  'refused during recovery': ['pg_walfile_name pg_walfile_name_offset pg_replication_origin_oid'],
  'reads relations that it is given as text or by schema, and with them the functions that views hide': [
    'table_to_xml table_to_xmlschema table_to_xml_and_xmlschema schema_to_xml schema_to_xmlschema',
    'schema_to_xml_and_xmlschema database_to_xml database_to_xmlschema database_to_xml_and_xmlschema',
  ],
  'tells what one session holds': ['pg_listening_channels pg_my_temp_schema pg_cursor pg_prepared_statement'],
  'tells of locks, transactions and receivers that the primary has, and a standby others; as the views pg_locks and so on':
    [
      'pg_lock_status pg_blocking_pids pg_safe_snapshot_blocking_pids pg_prepared_xact pg_get_replication_slots',
      'pg_stat_get_wal_senders',
    ],
  'means something inside an event trigger only': [
    'pg_event_trigger_ddl_commands pg_event_trigger_dropped_objects pg_event_trigger_table_rewrite_oid',
    'pg_event_trigger_table_rewrite_reason',
  ],
};

/**
 * Operators call these, and people call functions of their own that happen to have the name. They are in neither list, so that a call
 * is one of a function that nobody knows.
 */
export const namesOfOthers: Readonly<Record<string, readonly string[]>> = {
  'the operator >= of "char"; in applications it takes money': ['charge'],
};
