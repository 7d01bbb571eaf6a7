// Says of a function, by name, whether a call of it may run on a replica.
//
// Invariant: only what the catalogs of all supported majors call harmless, or what the settings name, may.
// A name is harmless only if every function of that name is. A function of a schema other than pg_catalog is
// never taken for the built-in one of the same name.

import { safeFunctions, writingFunctions } from './builtinFunctions.ts';
import { type ClassifySettings, NameList } from './classifySettings.ts';
import type { RuleName } from './rules.ts';
import type { Pins } from './verdict.ts';

export interface FunctionJudgement {
  readonly rule: RuleName;
  readonly pins: Pins;
  /** The planner may evaluate it, so that it fails on a replica even where EXPLAIN only plans. */
  readonly isPlanned: boolean;
}

// What looks like a call and is grammar; with quotes PostgreSQL takes it for a call of a function. TREAT is not
// here: `treat(x AS name)` calls the function of that name.
const syntax = new Set(
  `between bigint bit boolean char character coalesce dec decimal exists extract float greatest grouping
  int integer interval json json_array json_arrayagg json_exists json_object json_objectagg json_query
  json_scalar json_serialize json_table json_value least merge_action national nchar normalize nullif numeric
  overlay position real row smallint substring time timestamp trim values varchar xmlattributes
  xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable`.split(
    /\s+/,
  ),
);

/** Each of these breaks the topology when it runs on the wrong server, so nobody runs it by accident. */
const denied = new Set(['pg_promote', 'pg_wal_replay_pause', 'pg_wal_replay_resume']);

// Functions of extensions that act outside the transaction, so that a replica would not even refuse them.
const writingExtensionFunctions = `
  dblink dblink_connect dblink_connect_u dblink_disconnect dblink_exec dblink_open dblink_fetch dblink_close
  dblink_send_query dblink_get_result dblink_cancel_query pg_stat_statements_reset pg_prewarm
  autoprewarm_start_worker autoprewarm_dump_now pg_truncate_visibility_map lo_manage
  postgres_fdw_disconnect postgres_fdw_disconnect_all`;

// Stable or immutable for pg_proc, so that the planner may evaluate them, and refused or misleading on a standby.
const plannedFunctions = new Set(
  'txid_current pg_current_xact_id pg_walfile_name pg_walfile_name_offset pg_replication_origin_oid'.split(
    ' ',
  ),
);

const sessionFunctions = new Set(
  `pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared set_config setseed
  pg_backup_start dblink_connect dblink_connect_u dblink_open dblink_send_query
  pg_replication_origin_session_setup pg_create_physical_replication_slot
  pg_create_logical_replication_slot`.split(/\s+/),
);
/** They tell what one session holds, and on a replica answer for another session than is meant. */
const sessionReads = new Set(
  'pg_cursor pg_listening_channels pg_my_temp_schema pg_prepared_statement'.split(' '),
);
const transactionFunctions = new Set(
  `pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_xact_lock
  pg_try_advisory_xact_lock_shared pg_export_snapshot lo_open lo_creat lo_create
  pg_replication_origin_xact_setup`.split(/\s+/),
);

const unknown: FunctionJudgement = { rule: 'function-unknown', pins: 'nothing', isPlanned: false };
const refused: FunctionJudgement = { rule: 'denied-function', pins: 'nothing', isPlanned: true };
const writes: FunctionJudgement = { rule: 'function-writes', pins: 'nothing', isPlanned: false };
const writesPlanned: FunctionJudgement = { ...writes, isPlanned: true };
const writesSession: FunctionJudgement = { ...writes, pins: 'session' };
const writesTransaction: FunctionJudgement = { ...writes, pins: 'transaction' };

const readsSession: FunctionJudgement = { rule: 'session-state', pins: 'nothing', isPlanned: false };

/** Of every built-in function what is known of it; undefined says that it only reads. */
type Builtins = ReadonlyMap<string, FunctionJudgement | undefined>;

export class FunctionBook {
  readonly #builtins: Builtins = builtins();
  readonly #allowed: NameList;
  readonly #primary: NameList;
  readonly #allowedDenied: NameList;

  constructor(settings: ClassifySettings) {
    this.#allowed = new NameList(settings.allowFunctions);
    this.#primary = new NameList(settings.denyFunctions);
    this.#allowedDenied = new NameList(settings.allowDenied);
  }

  /** Undefined when the call may run on a replica. Names are folded; a schema is undefined when none is given. */
  judge(schema: string | undefined, name: string, isQuoted: boolean): FunctionJudgement | undefined {
    const isBuiltin = schema === undefined || schema === 'pg_catalog';
    if (isBuiltin && denied.has(name)) return this.#allowedDenied.has(name) ? writes : refused;
    const qualified = schema === undefined ? name : `${schema}.${name}`;
    if (!this.#primary.isEmpty && (this.#primary.has(name) || this.#primary.has(qualified))) return writes;
    if (isBuiltin) {
      const known = this.#builtins.get(name);
      if (known !== undefined) return known;
      if (this.#builtins.has(name) || (schema === undefined && !isQuoted && syntax.has(name)))
        return undefined;
    }
    return this.#allowed.has(qualified) ? undefined : unknown;
  }

  isAllowedDenied(statement: string): boolean {
    return this.#allowedDenied.has(statement);
  }
}

const made = new Map<'builtins', Builtins>();

/** Made when the first statement is classified, not when the library is loaded. */
function builtins(): Builtins {
  const known = made.get('builtins');
  if (known !== undefined) return known;
  const all = new Map<string, FunctionJudgement | undefined>();
  for (const name of safeFunctions.trim().split(/\s+/)) all.set(name, undefined);
  for (const name of `${writingFunctions} ${writingExtensionFunctions}`.trim().split(/\s+/)) {
    all.set(name, writingJudgement(name));
  }
  made.set('builtins', all);
  return all;
}

function writingJudgement(name: string): FunctionJudgement {
  if (sessionReads.has(name)) return readsSession;
  if (sessionFunctions.has(name)) return writesSession;
  if (transactionFunctions.has(name)) return writesTransaction;
  return plannedFunctions.has(name) || /_to_xml/.test(name) ? writesPlanned : writes;
}
