import { expect, test } from 'vitest';
import { databaseRoles } from '../../src/api/names.ts';
import { formatConninfo } from '../../src/postgres/conninfo.ts';
import { parseControlData } from '../../src/postgres/controlData.ts';
import { hbaFile, identFile } from '../../src/postgres/hba.ts';
import { quoteIdentifier, quoteLiteral } from '../../src/postgres/quote.ts';
import { type ServerSettingsInput, serverSettings, settingsFile } from '../../src/postgres/serverSettings.ts';

const input = (change: Partial<ServerSettingsInput> = {}): ServerSettingsInput => ({
  instance: 'orders-2',
  parameters: {},
  maxSlotWalKeepSizeBytes: 8 * 2 ** 30,
  source: null,
  floors: {},
  places: { tlsDir: '/tls', socketDir: '/run', listenAddresses: '*', port: 5432 },
  ...change,
});
const source = {
  host: 'orders-1-0.orders-instances.shop.svc',
  user: 'replica_manager_replication',
  slot: 'orders_2',
};

test('the settings of the guide are there whatever the resource asks for', () => {
  const asked = {
    max_wal_senders: '2',
    max_replication_slots: '1',
    wal_level: 'minimal',
    ssl: 'off',
    work_mem: '7MB',
  };
  expect(serverSettings(input({ parameters: asked }))).toMatchObject({
    wal_level: 'replica',
    hot_standby: 'on',
    wal_log_hints: 'on',
    max_wal_senders: '32',
    max_replication_slots: '24',
    max_slot_wal_keep_size: '8192MB',
    ssl: 'on',
    work_mem: '7MB',
  });
  expect(serverSettings(input({ parameters: { max_wal_senders: '50' } }))).toMatchObject({
    max_wal_senders: '50',
  });
});

test('only a replica streams, through its own slot, and never has less room than the primary', () => {
  expect(serverSettings(input())).not.toHaveProperty('primary_conninfo');
  const settings = serverSettings(
    input({ source, parameters: { max_connections: '50' }, floors: { max_connections: 300 } }),
  );
  expect(settings).toMatchObject({ primary_slot_name: 'orders_2', max_connections: '300' });
  expect(settings['primary_conninfo']).toBe(
    'host=orders-1-0.orders-instances.shop.svc port=5432 user=replica_manager_replication application_name=orders-2 sslmode=verify-full sslcert=/tls/tls.crt sslkey=/tls/tls.key sslrootcert=/tls/ca.crt connect_timeout=5 keepalives_idle=5 keepalives_interval=1 keepalives_count=3 tcp_user_timeout=5000',
  );
});

test('values cannot break out of their line', () => {
  const text = settingsFile({ search_path: "a'b\\c\nport = 1" }, 'abc');
  expect(text.split('\n').slice(1)).toEqual(['# certificate abc', "search_path = 'a''b\\\\c port = 1'", '']);
});

test('lines of the resource stand behind those of the product and before the last word', () => {
  const lines = hbaFile(databaseRoles, ['host all reporting 10.0.0.0/8 md5']).split('\n');
  expect(lines.map((it) => it.replace(/ +/g, ' '))).toEqual([
    '# Written by Replica Manager. Changes made here are overwritten.',
    'local all postgres peer map=replica_manager',
    'local all all scram-sha-256',
    'hostssl replication replica_manager_replication all cert',
    'hostssl postgres replica_manager_replication all cert',
    'hostssl all replica_manager_monitor all cert',
    'hostssl all replica_manager_pooler all scram-sha-256',
    'hostssl all postgres all scram-sha-256',
    'host all postgres,replica_manager_replication,replica_manager_monitor,replica_manager_pooler all reject',
    'local replication all reject',
    'host replication all all reject',
    'host all reporting 10.0.0.0/8 md5',
    'hostssl all all all scram-sha-256',
    'host all all all reject',
    '',
  ]);
  expect(identFile(databaseRoles, 'postgres').split('\n')[1]).toBe('replica_manager  "postgres"  postgres');
});

test('connection strings and SQL quote what they must', () => {
  expect(formatConninfo({ host: 'a', user: "o'x y\\" })).toBe("host=a user='o\\'x y\\\\'");
  expect(quoteIdentifier('app"x')).toBe('"app""x"');
  expect([quoteLiteral("it's"), quoteLiteral('a\\b')]).toEqual(["'it''s'", " E'a\\\\b'"]);
});

test('the control file is read from what pg_controldata prints', () => {
  const text = `Database system identifier:           7711614588472922836
Database cluster state:               shut down in recovery
Latest checkpoint's TimeLineID:       3
max_connections setting:              200
max_worker_processes setting:         8
max_wal_senders setting:              16
max_prepared_xacts setting:           0
max_locks_per_xact setting:           64
Data page checksum version:           1
`;
  expect(parseControlData(text)).toEqual({
    systemIdentifier: '7711614588472922836',
    state: 'shut down in recovery',
    timeline: 3,
    checksums: true,
    floors: {
      max_connections: 200,
      max_worker_processes: 8,
      max_wal_senders: 16,
      max_prepared_transactions: 0,
      max_locks_per_transaction: 64,
    },
  });
  expect(() => parseControlData('nonsense')).toThrow(
    'pg_controldata says nothing about "Database system identifier"',
  );
});
