// The settings of one instance: what a topology needs, below it what the resource asks for.
//
// Invariant: a parameter of the resource never weakens replication: the product's own settings are written
// last, and sizes that a topology depends on have a floor.

import { replicationConninfo } from './conninfo.ts';
import { logLinePrefix } from './errorLog.ts';

export interface ServerSettingsInput {
  readonly instance: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly maxSlotWalKeepSizeBytes: number;
  /** Where to stream from, for a replica; null for the primary. */
  readonly source: { readonly host: string; readonly user: string; readonly slot: string } | null;
  /** Values of the primary that a replica may not fall below, from its control file. */
  readonly floors: Readonly<Record<string, number>>;
  readonly places: ServerPlaces;
}

export interface ServerPlaces {
  readonly tlsDir: string;
  readonly socketDir: string;
  readonly listenAddresses: string;
  readonly port: number;
}

/** Good for a topology and free to be changed by `postgres.parameters`. */
const defaults: Readonly<Record<string, string>> = {
  // Two poolers of either kind with their default pools (2 × 25, 2 × 50), probes, and room for people.
  max_connections: '200',
  password_encryption: 'scram-sha-256',
  log_checkpoints: 'on',
  log_min_duration_statement: '-1',
  // A replica that lost its connection tries again at once instead of after five seconds.
  wal_retrieve_retry_interval: '1s',
  // A peer that is gone is noticed before a Lease of ten seconds runs out.
  wal_sender_timeout: '5s',
  wal_receiver_timeout: '5s',
  wal_receiver_status_interval: '1s',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/**
 * The guide's ten and more, enough for the largest topology (15 instances): each replica takes a slot and one
 * sender, two while it is cloned. Fixed, because a change would need a restart of every instance.
 */
const floors: Readonly<Record<string, number>> = { max_wal_senders: 32, max_replication_slots: 24 };

/** Name → value of everything that postgresql.conf says, in the order in which it says it. */
export function serverSettings(input: ServerSettingsInput): Readonly<Record<string, string>> {
  const { places } = input;
  const asked: Record<string, string> = { ...defaults, ...input.parameters };
  raise(asked, floors);
  if (input.source !== null) raise(asked, input.floors);
  return {
    ...asked,
    cluster_name: input.instance,
    listen_addresses: places.listenAddresses,
    port: String(places.port),
    unix_socket_directories: places.socketDir,
    ssl: 'on',
    ssl_cert_file: `${places.tlsDir}/tls.crt`,
    ssl_key_file: `${places.tlsDir}/tls.key`,
    ssl_ca_file: `${places.tlsDir}/ca.crt`,
    ssl_min_protocol_version: 'TLSv1.3',
    wal_level: 'replica',
    hot_standby: 'on',
    wal_log_hints: 'on',
    fsync: 'on',
    full_page_writes: 'on',
    max_slot_wal_keep_size: `${Math.max(1, Math.floor(input.maxSlotWalKeepSizeBytes / 2 ** 20))}MB`,
    // Who must confirm commits is recorded in the Lease before PostgreSQL may rely on it.
    synchronous_standby_names: '',
    // A crash ends the server, and the agent, which knows the Lease, decides what happens next.
    restart_after_crash: 'off',
    // The agent reads the log from the server's standard error and needs its words in English.
    logging_collector: 'off',
    log_destination: 'stderr',
    log_line_prefix: logLinePrefix,
    log_error_verbosity: 'default',
    lc_messages: 'C',
    ...replicaSettings(input),
  };
}

function replicaSettings(input: ServerSettingsInput): Record<string, string> {
  const { source, places } = input;
  if (source === null) return {};
  return {
    primary_conninfo: replicationConninfo({
      host: source.host,
      port: places.port,
      user: source.user,
      applicationName: input.instance,
      tlsDir: places.tlsDir,
    }),
    primary_slot_name: source.slot,
    recovery_target_timeline: 'latest',
  };
}

function raise(settings: Record<string, string>, least: Readonly<Record<string, number>>): void {
  for (const [name, floor] of Object.entries(least)) {
    const value = Number(settings[name] ?? 0);
    if (!(value >= floor)) settings[name] = String(floor);
  }
}

/**
 * The text of postgresql.conf.
 *
 * @param certificateDigest of the certificate files: a renewed certificate changes the text, so it is
 *   noticed and loaded like any other change
 */
export function settingsFile(settings: Readonly<Record<string, string>>, certificateDigest: string): string {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${quoteSetting(value)}`);
  return [
    '# Written by Replica Manager. Changes made here are overwritten; use spec.postgres.parameters.',
    `# certificate ${certificateDigest}`,
    ...lines,
    '',
  ].join('\n');
}

/** Source: guc-file.l, quotes are doubled and backslashes begin an escape. */
function quoteSetting(value: string): string {
  const oneLine = value.replaceAll('\n', ' ');
  return `'${oneLine.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
