import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { ReplicatedPostgres } from '../../src/api/replicatedPostgres.ts';
import { desiredObjects } from '../../src/objects/desiredObjects.ts';
import type { TopologyCredentials } from '../../src/objects/topologyCredentials.ts';
import { makeCredentials, type ObservedSecret, planCredentials } from '../../src/operator/credentials.ts';
import { certificateFacts, splitCertificates } from '../../src/operator/pki.ts';
import { exampleOptions } from '../objects/exampleOptions.ts';
import { exampleTopology } from '../objects/exampleTopology.ts';

const nowMs = Date.parse('2026-03-01T00:00:00Z');
const dayMs = 24 * 60 * 60 * 1000;
const topology = exampleTopology();
const fresh = await make([], nowMs);
const stored = secretsOf(fresh);

async function make(observed: readonly ObservedSecret[], at: number, of: ReplicatedPostgres = topology) {
  return makeCredentials(planCredentials(observed, of, at), of, { nowMs: at, randomBytes });
}

/** The Secrets that the operator would store, as it reads them back. */
function secretsOf(credentials: TopologyCredentials): ObservedSecret[] {
  return desiredObjects(topology, { ...exampleOptions, credentials }).filter(
    ({ kind }) => kind === 'Secret',
  ) as unknown as ObservedSecret[];
}

const without = (name: string) => stored.filter(({ metadata }) => metadata.name !== name);
const withData = (name: string, data: Readonly<Record<string, string>>): ObservedSecret[] =>
  stored.map((secret) =>
    secret.metadata.name === name ? { ...secret, data: { ...secret.data, ...data } } : secret,
  );
const base64 = (text: string) => Buffer.from(text).toString('base64');
const actionsAt = (observed: readonly ObservedSecret[], at: number, of = topology) =>
  planCredentials(observed, of, at).actions;

test('a new topology needs three passwords, an authority and three certificates, in this order', () => {
  expect(actionsAt([], nowMs)).toEqual([
    { kind: 'makePassword', of: 'superuserPassword', reason: 'Secret orders-superuser has no password' },
    { kind: 'makePassword', of: 'poolerPassword', reason: 'Secret orders-pooler has no password' },
    { kind: 'makePassword', of: 'applicationPassword', reason: 'Secret orders-app has no password' },
    { kind: 'makeAuthority', reason: 'Secret orders-ca has no authority' },
    { kind: 'issueCertificate', of: 'instance', reason: 'Secret orders-instance-tls has no certificate' },
    { kind: 'issueCertificate', of: 'operator', reason: 'Secret orders-operator-tls has no certificate' },
    { kind: 'issueCertificate', of: 'pooler', reason: 'Secret orders-pooler-tls has no certificate' },
  ]);
});

test('what was stored is read back as it was made, and nothing is left to do', async () => {
  expect(actionsAt(stored, nowMs)).toEqual([]);
  expect(await make(stored, nowMs)).toEqual(fresh);
});

test('passwords are 32 characters that need no escaping, each another', () => {
  const passwords = [fresh.superuserPassword, fresh.poolerPassword, fresh.applicationPassword];

  expect(passwords.filter((it) => /^[A-Za-z0-9_-]{32}$/.test(it))).toHaveLength(3);
  expect(new Set(passwords).size).toBe(3);
});

test('certificates speak for the roles that log in with them and the hosts that are asked for', () => {
  const said = (['instance', 'operator', 'pooler'] as const).map((of) => {
    const facts = certificateFacts(fresh[of].certificate);
    return { of, commonName: facts?.commonName, dnsNames: facts?.dnsNames };
  });

  expect(said).toEqual([
    {
      of: 'instance',
      commonName: 'replica_manager_replication',
      dnsNames: [
        '*.orders-instances.shop.svc',
        '*.orders-instances.shop.svc.cluster.local',
        '*.orders-instances.shop',
        'orders-primary.shop.svc',
        'orders-primary.shop.svc.cluster.local',
        'orders-primary.shop',
        'orders-primary',
        'orders-replicas.shop.svc',
        'orders-replicas.shop.svc.cluster.local',
        'orders-replicas.shop',
        'orders-replicas',
        'localhost',
      ],
    },
    { of: 'operator', commonName: 'replica_manager_monitor', dnsNames: [] },
    {
      of: 'pooler',
      commonName: 'replica_manager_pooler',
      dnsNames: [
        'orders-pooler-rw.shop.svc',
        'orders-pooler-rw.shop.svc.cluster.local',
        'orders-pooler-rw.shop',
        'orders-pooler-rw',
        'orders-pooler-ro.shop.svc',
        'orders-pooler-ro.shop.svc.cluster.local',
        'orders-pooler-ro.shop',
        'orders-pooler-ro',
        'localhost',
      ],
    },
  ]);
});

test('a password that a person has chosen stays, whatever else is missing', async () => {
  const observed = withData('orders-app', { password: base64('chosen by hand/?') }).filter(
    ({ metadata }) => metadata.name !== 'orders-ca' && metadata.name !== 'orders-superuser',
  );
  const made = await make(observed, nowMs);

  expect(made.applicationPassword).toBe('chosen by hand/?');
  expect(made.poolerPassword).toBe(fresh.poolerPassword);
  expect(made.superuserPassword).not.toBe(fresh.superuserPassword);
});

test('an empty password counts as missing', () => {
  expect(actionsAt(withData('orders-app', { password: '' }), nowMs)).toEqual([
    { kind: 'makePassword', of: 'applicationPassword', reason: 'Secret orders-app has no password' },
  ]);
});

test('certificates are renewed when two thirds of their life are over, and the authority stays', async () => {
  const dueMs = planCredentials(stored, topology, nowMs).renewAtMs ?? 0;

  expect(Math.round((dueMs - nowMs) / dayMs)).toBe(243);
  expect(actionsAt(stored, dueMs - 1)).toEqual([]);
  expect(actionsAt(stored, dueMs)).toEqual(
    ['instance', 'operator', 'pooler'].map((of) => ({
      kind: 'issueCertificate',
      of,
      reason: `two thirds of the life of the certificate in Secret orders-${of}-tls are over`,
    })),
  );

  const renewed = await make(stored, dueMs);
  expect(renewed.authority).toEqual(fresh.authority);
  expect(renewed.instance).not.toEqual(fresh.instance);
  expect(actionsAt(secretsOf(renewed), dueMs)).toEqual([]);
});

test('without its authority every certificate is made again, and only the new authority is trusted', async () => {
  const plan = actionsAt(without('orders-ca'), nowMs);
  const made = await make(without('orders-ca'), nowMs);

  expect(plan.map((action) => ('of' in action ? action.of : action.kind))).toEqual([
    'makeAuthority',
    'instance',
    'operator',
    'pooler',
  ]);
  expect(made.authority.trusted).toBe(made.authority.certificate);
  expect(certificateFacts(made.pooler.certificate)?.issuedBy(made.authority.certificate)).toBe(true);
  expect(certificateFacts(fresh.pooler.certificate)?.issuedBy(made.authority.certificate)).toBe(false);
});

test('an authority that grows old is followed by one that is trusted before it signs anything in use', async () => {
  const dueMs = nowMs + 2500 * dayMs;
  // Certificates of the old authority that were renewed shortly before.
  const current = secretsOf(await make(stored, nowMs + 2400 * dayMs));

  expect(actionsAt(current, dueMs)).toEqual([
    { kind: 'makeAuthority', reason: 'two thirds of the life of the authority in Secret orders-ca are over' },
  ]);

  const made = await make(current, dueMs);
  expect(made.authority.certificate).not.toBe(fresh.authority.certificate);
  expect(splitCertificates(made.authority.trusted)).toEqual([
    made.authority.certificate,
    fresh.authority.certificate,
  ]);

  const after = secretsOf(made);
  expect(actionsAt(after, dueMs)).toEqual([]);
  const renewed = await make(after, dueMs + 200 * dayMs);
  expect(certificateFacts(renewed.instance.certificate)?.issuedBy(made.authority.certificate)).toBe(true);

  const expiredMs = nowMs + 3653 * dayMs;
  const late = await make(secretsOf(renewed), expiredMs);
  expect(late.authority.trusted).toBe(made.authority.certificate);
});

test.for([
  ['is damaged', 'orders-ca', { 'tls.crt': base64('-----BEGIN CERTIFICATE-----') }, 4],
  ['has the key of another', 'orders-ca', { 'tls.key': base64(fresh.pooler.key) }, 4],
  ['is damaged', 'orders-pooler-tls', { 'tls.crt': base64('nonsense') }, 1],
  ['has the key of another', 'orders-pooler-tls', { 'tls.key': base64(fresh.instance.key) }, 1],
  ['has lost its key', 'orders-instance-tls', { 'tls.key': '' }, 1],
] as const)('a certificate that %s is made again: %s', async ([, name, data, actions]) => {
  const observed = withData(name, data);

  expect(actionsAt(observed, nowMs)).toHaveLength(actions);
  expect(actionsAt(secretsOf(await make(observed, nowMs)), nowMs)).toEqual([]);
});

test('a certificate for other names is made again', () => {
  const pooler = stored.find(({ metadata }) => metadata.name === 'orders-pooler-tls')?.data ?? {};

  expect(actionsAt(withData('orders-instance-tls', pooler), nowMs)).toEqual([
    {
      kind: 'issueCertificate',
      of: 'instance',
      reason: 'the certificate in Secret orders-instance-tls is for other names',
    },
  ]);
});

test('no reason tells a secret', () => {
  const reasons = JSON.stringify([...actionsAt([], nowMs), ...actionsAt(stored, nowMs + 4000 * dayMs)]);
  const secrets = [fresh.superuserPassword, fresh.poolerPassword, fresh.applicationPassword, 'PRIVATE KEY'];

  expect(secrets.filter((secret) => reasons.includes(secret))).toEqual([]);
});
