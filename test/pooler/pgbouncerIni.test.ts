// The whole text that PgBouncer gets. `make golden` rewrites the files; the difference is what is reviewed.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type PgbouncerSettings, pgbouncerIni } from '../../src/pooler/pgbouncerIni.ts';
import { topologyConfig } from './topologyConfig.ts';

const settings: PgbouncerSettings = {
  listenAddress: '*',
  listenPort: 6432,
  runDir: '/run/pgbouncer',
  tlsDir: '/etc/replica-manager/tls',
};
const { pooler } = topologyConfig();
const host = (instance: string) => `${instance}-0.orders-instances.shop.svc`;

function expectGolden(name: string, text: string): void {
  const file = new URL(`golden/${name}.ini`, import.meta.url);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
}

test('a read-write pooler leads to the primary and verifies its name', () => {
  expectGolden('readWrite', pgbouncerIni('rw', pooler, { hosts: [host('orders-1')], port: 5432 }, settings));
});

test('a read-only pooler takes turns among the replicas', () => {
  const targets = { hosts: [host('orders-2'), host('orders-3')], port: 5432 };
  expectGolden('readOnly', pgbouncerIni('ro', pooler, targets, { ...settings, listenPort: 6433 }));
});

test('a pooler without servers leads to a socket that is not there', () => {
  expect(pgbouncerIni('ro', pooler, null, settings).split('\n')[1]).toBe(
    '* = host=/no-server-takes-reads port=5432',
  );
});

test('a small pool is never asked to keep more connections than it may have', () => {
  const { pooler: small } = topologyConfig({ readOnly: { poolSize: 3 } });
  const ini = pgbouncerIni('ro', small, { hosts: ['a', 'b'], port: 5432 }, settings);

  expect(ini.split('\n').filter((line) => /pool_size/.test(line))).toEqual([
    'default_pool_size = 3',
    'min_pool_size = 3',
  ]);
});

test.each(['a port=1', 'a\nadmin_users=eve', "a'", ''])('%j is refused as a host', (bad) => {
  expect(() => pgbouncerIni('rw', pooler, { hosts: [bad], port: 5432 }, settings)).toThrow(
    'is not a host name, correct it in the endpoints document',
  );
});
