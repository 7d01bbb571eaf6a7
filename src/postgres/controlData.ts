// What `pg_controldata` prints about a stopped or running server's volume. It must run with LC_ALL=C.

export interface ControlData {
  readonly systemIdentifier: string;
  /** As pg_controldata words it: `in production`, `shut down`, `in archive recovery`, … */
  readonly state: string;
  readonly timeline: number;
  readonly checksums: boolean;
  /** Settings of the server that wrote the WAL; a replica that has less refuses to start. */
  readonly floors: Readonly<Record<string, number>>;
}

const floorNames = [
  'max_connections',
  'max_worker_processes',
  'max_wal_senders',
  'max_prepared_xacts',
  'max_locks_per_xact',
] as const;

/** pg_controldata abbreviates two of the names. */
const settingNames: Readonly<Record<(typeof floorNames)[number], string>> = {
  max_connections: 'max_connections',
  max_worker_processes: 'max_worker_processes',
  max_wal_senders: 'max_wal_senders',
  max_prepared_xacts: 'max_prepared_transactions',
  max_locks_per_xact: 'max_locks_per_transaction',
};

/** Throws when the text is not what pg_controldata prints. */
export function parseControlData(text: string): ControlData {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) values.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  const floors: Record<string, number> = {};
  for (const name of floorNames) {
    const value = Number(values.get(`${name} setting`));
    if (Number.isInteger(value)) floors[settingNames[name]] = value;
  }
  return {
    systemIdentifier: take(values, 'Database system identifier'),
    state: take(values, 'Database cluster state'),
    timeline: Number(take(values, "Latest checkpoint's TimeLineID")),
    checksums: values.get('Data page checksum version') !== '0',
    floors,
  };
}

function take(values: ReadonlyMap<string, string>, name: string): string {
  const value = values.get(name);
  if (value === undefined || value === '') throw new Error(`pg_controldata says nothing about "${name}"`);
  return value;
}
