// Real servers with TLS and certificate logins, asked as the operator asks them.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { createAuthority, issueCertificate } from '../../src/operator/pki.ts';
import type { ProbeTarget } from '../../src/operator/prober.ts';
import { Probes } from '../../src/operator/probes.ts';
import { lease } from '../fixtures/observed.ts';
import { startTemporaryPostgres, type TemporaryPostgres } from '../fixtures/temporaryPostgres.ts';

const limits = { maxLagSeconds: 2, resumeLagSeconds: 1, maxLagBytes: undefined, graceMs: 1_500 };
const key = 'shop/orders';
const monitor = 'replica_manager_monitor';

let folder: string;
let servers: TemporaryPostgres;
let tls: ProbeTarget['tls'];
let otherTls: ProbeTarget['tls'];
const news: string[] = [];
const probes = new Probes({
  clock: systemClock,
  random: () => 0.5,
  log: silentLog,
  onNews: (topology) => news.push(topology),
  onProbe: () => {},
  onForgotten: (_key, instance) => news.push(`forgotten ${instance}`),
});

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'replica-manager-probes-'));
  const nowMs = Date.now();
  const authority = await createAuthority({ name: 'orders', nowMs, lifetimeDays: 1 });
  const issue = (commonName: string, dnsNames: readonly string[]) =>
    issueCertificate(authority, {
      commonName,
      dnsNames,
      usages: ['server', 'client'],
      nowMs,
      lifetimeDays: 1,
    });
  const server = await issue('orders', [
    'orders-1-0.orders-instances.shop.svc',
    'orders-2-0.orders-instances.shop.svc',
  ]);
  const client = await issue(monitor, []);
  const stranger = await issue('somebody_else', []);
  tls = { ca: authority.certificate, cert: client.certificate, key: client.key };
  otherTls = { ...tls, cert: stranger.certificate, key: stranger.key };
  const ca = join(folder, 'ca.crt');
  const hba = join(folder, 'pg_hba.conf');
  writeFileSync(ca, authority.certificate, { mode: 0o644 });
  writeFileSync(
    hba,
    'local all all trust\nlocal replication all trust\nhostssl all replica_manager_monitor all cert\n',
  );
  chmodSync(folder, 0o755);
  servers = await startTemporaryPostgres({
    replicas: 1,
    certificates: { ca: authority.certificate, cert: server.certificate, key: server.key },
    settings: { ssl_ca_file: ca, hba_file: hba },
  });
  await servers.primary.query(`create role ${monitor} login`);
  await servers.primary.query(`grant pg_monitor to ${monitor}`);
  await servers.caughtUp();
}, 60_000);
afterAll(async () => {
  probes.stop();
  await servers[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function target(instance: string, changes: Partial<ProbeTarget> = {}) {
  const [replica] = servers.replicas;
  const server = instance === 'orders-1' ? servers.primary : replica;
  const where: ProbeTarget = {
    instance,
    podUid: `pod of ${instance}`,
    address: '127.0.0.1',
    serverName: `${instance}-0.orders-instances.shop.svc`,
    port: server?.port ?? 0,
    user: monitor,
    tls,
    intervalMs: 200,
    timeoutMs: 1_000,
    ...changes,
  };
  return { target: where, wasRoutable: false };
}
const follow = (...targets: ReturnType<typeof target>[]) => {
  probes.follow(key, targets, limits);
  probes.noteLease(key, lease, undefined);
};
const replicaFacts = () => probes.facts(key, 'orders-2');
const sessions = async () => {
  const { rows } = await servers.primary.query(`select 1 from pg_stat_activity where usename = '${monitor}'`);
  return rows.length;
};

test('two servers are measured over TLS, and the replica becomes readable', async () => {
  const { rows } = await servers.primary.query(
    'select system_identifier::text as id from pg_control_system()',
  );
  probes.follow(key, [target('orders-1'), target('orders-2')], limits);
  probes.noteLease(key, { ...lease, systemIdentifier: rows[0].id }, undefined);

  await expect.poll(() => replicaFacts().reads.routable, { timeout: 10_000 }).toBe(true);
  expect(replicaFacts()).toMatchObject({
    probe: { kind: 'measured', probe: { role: 'replica', receiver: { status: 'streaming' } } },
    lag: { seconds: 0, bytes: 0 },
  });
  expect(probes.facts(key, 'orders-1')).toMatchObject({
    probe: { kind: 'measured', probe: { role: 'primary' } },
    reads: { routable: false, reason: 'is the primary' },
  });
  expect(await sessions()).toBe(1);
  expect(news).toContain(key);
});

test('a replica whose replay is paused while the primary writes is put out, and comes back', async () => {
  const [replica] = servers.replicas;
  await servers.primary.query('create table if not exists written (at timestamptz)');
  await replica?.query('select pg_wal_replay_pause()');
  const writing = setInterval(() => {
    servers.primary.query('insert into written values (now())').catch(() => {});
  }, 100);

  await expect
    .poll(() => replicaFacts().reads.reason, { timeout: 10_000 })
    .toBe('lags behind by 2 s or more');
  await replica?.query('select pg_wal_replay_resume()');
  await expect.poll(() => replicaFacts().reads.routable, { timeout: 10_000 }).toBe(true);
  clearInterval(writing);
});

test('a server that has stopped is known to be gone, and found again', async () => {
  const [replica] = servers.replicas;
  await replica?.stop('fast');
  await expect.poll(() => replicaFacts().probe.kind, { timeout: 5_000 }).toBe('unreachable');
  expect(replicaFacts()).toMatchObject({
    lag: { seconds: undefined, bytes: undefined },
    reads: { routable: false },
  });
  await replica?.start();
  await expect.poll(() => replicaFacts().reads.routable, { timeout: 15_000 }).toBe(true);
});

test('a server whose certificate is for another name is not talked to', async () => {
  follow(target('orders-2', { serverName: 'orders-9-0.orders-instances.shop.svc' }));

  await expect
    .poll(() => replicaFacts().probe, { timeout: 5_000 })
    .toMatchObject({
      kind: 'unreachable',
      reason: expect.stringContaining('orders-9-0'),
    });
});

test('a certificate for another role does not log in', async () => {
  follow(target('orders-2', { tls: otherTls }));

  await expect
    .poll(() => replicaFacts().probe, { timeout: 5_000 })
    .toMatchObject({
      kind: 'unreachable',
      reason: expect.stringContaining('certificate authentication failed'),
    });
});

test('when an instance is gone its connection is closed', async () => {
  follow(target('orders-1'));
  await expect.poll(sessions, { timeout: 5_000 }).toBe(1);
  follow();

  await expect.poll(sessions, { timeout: 5_000 }).toBe(0);
  expect(news).toContain('forgotten orders-1');
  expect(probes.facts(key, 'orders-1').probe.kind).toBe('pending');
});
