// pg_hba.conf and pg_ident.conf of an instance.
//
// Invariant: the superuser and the product's own roles come in by the first lines only: over TLS, by
// certificate or SCRAM, or over the socket of the pod. So does replication. Lines from the resource stand
// behind them, so that no line of a person can open another door to these or lock the product out. What
// no line allows is rejected.

export interface HbaRoles {
  readonly superuser: string;
  readonly replication: string;
  readonly monitor: string;
  readonly pooler: string;
}

/** Name of the map that lets the operating system's user of the pod be the superuser, over the socket. */
const identMap = 'replica_manager';

/** @param lines lines of pg_hba.conf as the resource gives them */
export function hbaFile(roles: HbaRoles, lines: readonly string[]): string {
  const guarded = [roles.superuser, roles.replication, roles.monitor, roles.pooler].join(',');
  return file([
    `local    all          ${roles.superuser}  peer map=${identMap}`,
    'local    all          all  scram-sha-256',
    `hostssl  replication  ${roles.replication}  all  cert`,
    `hostssl  postgres     ${roles.replication}  all  cert`,
    `hostssl  all          ${roles.monitor}  all  cert`,
    `hostssl  all          ${roles.pooler}  all  scram-sha-256`,
    `hostssl  all          ${roles.superuser}  all  scram-sha-256`,
    `host     all          ${guarded}  all  reject`,
    // The word all does not stand for replication in the second column.
    'local    replication  all  reject',
    'host     replication  all  all  reject',
    ...lines,
    'hostssl  all          all  all  scram-sha-256',
    'host     all          all  all  reject',
  ]);
}

/** @param systemUser name of the operating system's user that runs the server and its agent */
export function identFile(roles: HbaRoles, systemUser: string): string {
  return file([`${identMap}  "${systemUser.replaceAll('"', '""')}"  ${roles.superuser}`]);
}

function file(lines: readonly string[]): string {
  return ['# Written by Replica Manager. Changes made here are overwritten.', ...lines, ''].join('\n');
}
