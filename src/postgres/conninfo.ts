// Connection strings as libpq reads them: `keyword = 'value'` pairs.
// Source: PostgreSQL documentation, 34.1.1.1 Keyword/Value Connection Strings.

/** `{ host: 'a', user: "o'x" }` → `host=a user='o\'x'`. Quotes only what needs it. */
export function formatConninfo(pairs: Readonly<Record<string, string | number>>): string {
  return Object.entries(pairs)
    .map(([keyword, value]) => `${keyword}=${quoteValue(String(value))}`)
    .join(' ');
}

function quoteValue(value: string): string {
  if (/^[A-Za-z0-9_./:@*-]+$/.test(value)) return value;
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** Where an instance finds the primary, and with which certificate it says who it is. */
export interface ReplicationSource {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Name of the instance that connects, as `pg_stat_replication` shows it. */
  readonly applicationName: string;
  /** Folder with tls.crt, tls.key and ca.crt. */
  readonly tlsDir: string;
}

/**
 * How a replica (or pg_basebackup) connects to the primary.
 *
 * A dead peer is noticed by the transport within 5 s: the receiver must be free to follow the next primary
 * long before TCP itself would give up.
 */
export function replicationConninfo(source: ReplicationSource): string {
  return formatConninfo({
    host: source.host,
    port: source.port,
    user: source.user,
    application_name: source.applicationName,
    sslmode: 'verify-full',
    sslcert: `${source.tlsDir}/tls.crt`,
    sslkey: `${source.tlsDir}/tls.key`,
    sslrootcert: `${source.tlsDir}/ca.crt`,
    connect_timeout: 5,
    keepalives_idle: 5,
    keepalives_interval: 1,
    keepalives_count: 3,
    tcp_user_timeout: 5000,
  });
}
