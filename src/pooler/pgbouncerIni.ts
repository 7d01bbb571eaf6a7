// PgBouncer's configuration as text. In: settings of the topology and where its server connections go. Out: the
// whole pgbouncer.ini, the same text for the same input, so that equal texts mean that nothing has to be reloaded.
//
// Invariant: no user can reach the admin console over TCP (there are no admin_users; PgBouncer itself lets the user
// `pgbouncer` in without a password, from the unix socket and with its own UID only), and no password is in here.
import { databaseRoles, type PoolerKind } from '../api/names.ts';
import type { TopologyConfig } from '../api/topologyConfig.ts';
import type { PoolerTargets } from './poolerTargets.ts';

export interface PgbouncerSettings {
  readonly listenAddress: string;
  readonly listenPort: number;
  /** Holds pgbouncer.ini, users.txt and the unix socket of the admin console. */
  readonly runDir: string;
  /** Holds tls.crt, tls.key and ca.crt. */
  readonly tlsDir: string;
}

/**
 * Where connections go while there is no server for them: to a unix socket that is not there, so that clients are told
 * that logins fail. Without any entry PgBouncer would go on using the old one.
 */
const nowhere = { hosts: ['/no-server-takes-reads'], port: 5432 };

/** Connections per replica that are open as soon as there is a client, or one client would read from one replica only. */
const minConnectionsPerReplica = 2;

export function pgbouncerIni(
  kind: PoolerKind,
  pooler: TopologyConfig['pooler'],
  targets: PoolerTargets | null,
  settings: PgbouncerSettings,
): string {
  targets?.hosts.forEach(checkHost);
  const { hosts, port } = targets ?? nowhere;
  return [
    '[databases]',
    `* = host=${hosts.join(',')} port=${port}`,
    '',
    '[pgbouncer]',
    ...lines(listening(settings)),
    ...lines(authentication(settings)),
    ...lines(encryption(kind, settings)),
    ...lines(pooling(kind, pooler, hosts.length)),
    ...lines(timeouts),
    ...lines(logging),
    '',
  ].join('\n');
}

type Options = Readonly<Record<string, string | number>>;

const lines = (options: Options): string[] =>
  Object.entries(options).map(([key, value]) => `${key} = ${value}`.trimEnd());

const listening = ({ listenAddress, listenPort, runDir }: PgbouncerSettings): Options => ({
  listen_addr: listenAddress,
  listen_port: listenPort,
  unix_socket_dir: runDir,
  unix_socket_mode: '0700',
});

const authentication = ({ runDir }: PgbouncerSettings): Options => ({
  auth_type: 'scram-sha-256',
  auth_file: `${runDir}/users.txt`,
  auth_user: databaseRoles.pooler,
  auth_dbname: 'postgres',
  auth_query: 'SELECT username, verifier FROM replica_manager.user_lookup($1)',
  admin_users: '',
  stats_users: '',
});

// PgBouncer 1.24 compares a certificate with the whole list of hosts ("name `a,b' not present in server certificate"),
// so a list leaves verify-ca only. The authority belongs to this topology alone and its other certificates are not for servers,
// except the poolers' own.
const encryption = (kind: PoolerKind, { tlsDir }: PgbouncerSettings): Options => ({
  client_tls_sslmode: 'require',
  client_tls_cert_file: `${tlsDir}/tls.crt`,
  client_tls_key_file: `${tlsDir}/tls.key`,
  server_tls_sslmode: kind === 'rw' ? 'verify-full' : 'verify-ca',
  server_tls_ca_file: `${tlsDir}/ca.crt`,
});

function pooling(kind: PoolerKind, pooler: TopologyConfig['pooler'], hosts: number): Options {
  const { poolSize } = kind === 'rw' ? pooler.readWrite : pooler.readOnly;
  return {
    pool_mode: 'transaction',
    max_client_conn: pooler.maxClientConnections,
    default_pool_size: poolSize,
    min_pool_size: kind === 'rw' ? 0 : Math.min(poolSize, hosts * minConnectionsPerReplica),
    // The usual order, last used first, would send the reads of a quiet application to one replica.
    server_round_robin: kind === 'rw' ? 0 : 1,
    max_prepared_statements: 200,
    // The JDBC driver sends it always; what it asks for is the default since PostgreSQL 12.
    ignore_startup_parameters: 'extra_float_digits',
  };
}

/** In seconds, except tcp_user_timeout in milliseconds. */
const timeouts: Options = {
  // One login at a time per pool: while one to a dead host is under way no other is tried.
  server_connect_timeout: 2,
  // Until a login succeeds, new clients are turned away.
  server_login_retry: 0.1,
  // Longer than the 12 s in which a lost node's primary is replaced, so that clients wait rather than fail.
  query_wait_timeout: 30,
  client_login_timeout: 15,
  // A host whose peer is silent is given up after 5 + 3 · 2 s when idle, after 5 s with data under way.
  tcp_keepalive: 1,
  tcp_keepidle: 5,
  tcp_keepintvl: 2,
  tcp_keepcnt: 3,
  tcp_user_timeout: 5000,
  // A pod that is made again has another address under the same name.
  dns_max_ttl: 2,
  dns_nxdomain_ttl: 1,
};

const logging: Options = {
  log_connections: 0,
  log_disconnections: 0,
  log_pooler_errors: 1,
  log_stats: 0,
};

/** What goes between `host=` and the next blank must be a name or an address, whatever a document says. */
function checkHost(host: string): void {
  if (/^[A-Za-z0-9.:_-]+$/.test(host)) return;
  throw new Error(`${JSON.stringify(host)} is not a host name, correct it in the endpoints document`);
}
