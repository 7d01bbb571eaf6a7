// Roles, database and the poolers' lookup function, as statements that may run any number of times.
//
// Invariant: no statement holds a clear-text password; verifiers are made by the caller.

import { quoteIdentifier, quoteLiteral } from './quote.ts';

/** Roles and their stored verifiers; only a superuser may read them. */
export const roleVerifiersSql =
  'select rolname::text as name, rolpassword as verifier from pg_catalog.pg_authid';

export interface WantedRole {
  readonly name: string;
  /** Attributes as CREATE ROLE takes them. */
  readonly attributes: string;
  /** A SCRAM verifier, or null when the role has no password or keeps the one it has. */
  readonly verifier: string | null;
}

/** Creates the role or brings its attributes and password back. */
export function roleSql(role: WantedRole, exists: boolean): string {
  const password = role.verifier === null ? '' : ` password ${quoteLiteral(role.verifier)}`;
  return `${exists ? 'alter' : 'create'} role ${quoteIdentifier(role.name)} ${role.attributes}${password}`;
}

export const databaseExistsSql = 'select 1 from pg_catalog.pg_database where datname = $1';

export function createDatabaseSql(database: string, owner: string): string {
  return `create database ${quoteIdentifier(database)} owner ${quoteIdentifier(owner)}`;
}

/** What pg_rewind calls on its source. Source: PostgreSQL documentation, pg_rewind, Notes. */
const rewindFunctions = [
  'pg_catalog.pg_ls_dir(text, boolean, boolean)',
  'pg_catalog.pg_stat_file(text, boolean)',
  'pg_catalog.pg_read_binary_file(text)',
  'pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)',
] as const;

export function grantSql(roles: { replication: string; monitor: string }): string[] {
  return [
    ...rewindFunctions.map(
      (name) => `grant execute on function ${name} to ${quoteIdentifier(roles.replication)}`,
    ),
    `grant pg_monitor to ${quoteIdentifier(roles.monitor)}`,
  ];
}

/**
 * `replica_manager.user_lookup(name)`: how PgBouncer learns the verifier of who wants in (`auth_query`).
 *
 * It runs with the superuser's rights, so its search path is pinned, only the poolers' role may call it, and
 * it never tells about superusers, replication roles or the product's own roles.
 */
export function userLookupSql(poolerRole: string): string[] {
  const pooler = quoteIdentifier(poolerRole);
  return [
    'create schema if not exists replica_manager',
    'revoke all on schema replica_manager from public',
    `create or replace function replica_manager.user_lookup(wanted name)
       returns table (username name, verifier text)
       language sql stable strict security definer set search_path = pg_catalog, pg_temp
       as $lookup$
         select rolname, rolpassword from pg_catalog.pg_authid
          where rolname = wanted and rolcanlogin and not rolsuper and not rolreplication
            and not starts_with(rolname::text, 'replica_manager_')
            and (rolvaliduntil is null or rolvaliduntil > pg_catalog.now())
       $lookup$`,
    'revoke all on function replica_manager.user_lookup(name) from public',
    `grant usage on schema replica_manager to ${pooler}`,
    `grant execute on function replica_manager.user_lookup(name) to ${pooler}`,
  ];
}
