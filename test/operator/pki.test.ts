// Certificates as others see them: openssl, Node's TLS and a real PostgreSQL with its own client.
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { afterAll, expect, test } from 'vitest';
import type { CertificatePair } from '../../src/objects/topologyCredentials.ts';
import {
  certificateFacts,
  createAuthority,
  issueCertificate,
  splitCertificates,
} from '../../src/operator/pki.ts';
import { startTemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

const nowMs = Date.now();
const dayMs = 24 * 60 * 60 * 1000;
const directory = mkdtempSync(join(tmpdir(), 'replica-manager-pki-'));
afterAll(() => rmSync(directory, { recursive: true }));

const authority = await createAuthority({ name: 'orders, shop', nowMs, lifetimeDays: 3652 });
const strangeAuthority = await createAuthority({ name: 'orders, shop', nowMs, lifetimeDays: 3652 });
const leaf = (by: CertificatePair, commonName: string, dnsNames: readonly string[] = []) =>
  issueCertificate(by, { commonName, dnsNames, usages: ['server', 'client'], nowMs, lifetimeDays: 365 });
const server = await leaf(authority, 'replica_manager_replication', [
  '*.orders-instances.shop.svc',
  'localhost',
]);
const client = await issueCertificate(authority, {
  commonName: 'replica_manager_monitor',
  dnsNames: [],
  usages: ['client'],
  nowMs,
  lifetimeDays: 365,
});
const strangeClient = await leaf(strangeAuthority, 'replica_manager_monitor');

const fileOf = (name: string, text: string): string => {
  const file = join(directory, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
};

function verify(by: CertificatePair, of: CertificatePair, ...words: string[]): string {
  const { stdout, stderr } = spawnSync(
    'openssl',
    [
      'verify',
      '-x509_strict',
      '-CAfile',
      fileOf('by.pem', by.certificate),
      ...words,
      fileOf('of.pem', of.certificate),
    ],
    { encoding: 'utf8' },
  );
  return `${stdout}${stderr}`;
}

test('openssl accepts the leaf of an authority for what it may be used, and strictly', () => {
  expect(verify(authority, server, '-purpose', 'sslserver')).toMatch(/: OK\n$/);
  expect(verify(authority, server, '-purpose', 'sslclient')).toMatch(/: OK\n$/);
  expect(verify(authority, client, '-purpose', 'sslclient')).toMatch(/: OK\n$/);
  expect(verify(authority, authority)).toMatch(/: OK\n$/);
});

test('openssl refuses a client as a server, a wrong host and the leaf of another authority', () => {
  expect(verify(authority, client, '-purpose', 'sslserver')).toMatch(/unsuitable certificate purpose/);
  expect(verify(authority, server, '-verify_hostname', 'evil.example')).toMatch(/hostname mismatch/i);
  expect(verify(authority, server, '-verify_hostname', 'orders-1-0.orders-instances.shop.svc')).toMatch(
    /: OK\n$/,
  );
  expect(verify(strangeAuthority, server)).toMatch(/verification failed/);
});

test('openssl sees an authority that signs leaves only, and a leaf that signs nothing', async () => {
  const text = ({ certificate }: CertificatePair) =>
    execFileSync('openssl', ['x509', '-noout', '-text'], { input: certificate, encoding: 'utf8' });
  const beneath = await leaf(server, 'beneath');

  expect(text(authority)).toMatch(/X509v3 Basic Constraints: critical\s+CA:TRUE, pathlen:0\s/);
  expect(text(authority)).toMatch(/X509v3 Key Usage: critical\s+Certificate Sign, CRL Sign\s/);
  expect(text(server)).toMatch(/X509v3 Basic Constraints: critical\s+CA:FALSE\s/);
  expect(text(server)).toMatch(/X509v3 Key Usage: critical\s+Digital Signature\s/);
  expect(text(server)).toMatch(/NIST CURVE: P-256/);
  expect(verify({ certificate: authority.certificate + server.certificate, key: '' }, beneath)).toMatch(
    /verification failed/,
  );
});

test('keys are PKCS#8 and serial numbers differ', () => {
  const serial = ({ certificate }: CertificatePair) =>
    execFileSync('openssl', ['x509', '-noout', '-serial'], { input: certificate, encoding: 'utf8' });
  const all = [authority, strangeAuthority, server, client];

  expect(all.map(({ key }) => key.split('\n')[0])).toEqual(all.map(() => '-----BEGIN PRIVATE KEY-----'));
  expect(new Set(all.map(serial)).size).toBe(all.length);
});

test('facts tell what a certificate says', () => {
  const facts = certificateFacts(server.certificate);

  expect(facts).toMatchObject({
    commonName: 'replica_manager_replication',
    dnsNames: ['*.orders-instances.shop.svc', 'localhost'],
    notAfter: Math.floor((nowMs + 365 * dayMs) / 1000) * 1000,
    notBefore: Math.floor((nowMs - 5 * 60_000) / 1000) * 1000,
  });
  expect(facts?.issuedBy(authority.certificate)).toBe(true);
  expect(facts?.issuedBy(strangeAuthority.certificate)).toBe(false);
  expect(facts?.hasKey(server.key)).toBe(true);
  expect(facts?.hasKey(client.key)).toBe(false);
  expect([facts?.issuedBy('nonsense'), facts?.hasKey('nonsense')]).toEqual([false, false]);
  expect(certificateFacts('nonsense')).toBeUndefined();
});

test('a leaf does not outlive its authority', async () => {
  const short = await createAuthority({ name: 'short', nowMs, lifetimeDays: 10 });

  expect(certificateFacts((await leaf(short, 'long')).certificate)?.notAfter).toBe(
    certificateFacts(short.certificate)?.notAfter,
  );
});

test('a bundle is taken apart into what it was joined from', () => {
  const parts = [authority.certificate, strangeAuthority.certificate];

  expect(splitCertificates(parts.join('\n some words\n'))).toEqual(parts);
  expect(splitCertificates('')).toEqual([]);
});

/** What the client hears from a server that demands a certificate of `authority`, or why it hears nothing. */
async function handshake(options: {
  readonly host?: string;
  readonly trusted?: string;
  readonly pair?: CertificatePair;
}): Promise<string> {
  const listener = createServer(
    {
      cert: server.certificate,
      key: server.key,
      ca: authority.certificate,
      requestCert: true,
      // The verdict is told instead of cutting the connection, so that a refusal can be told from an accident.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
    },
    (socket) =>
      socket.end(
        socket.authorized
          ? `hello ${String(socket.getPeerCertificate().subject.CN)}`
          : `refused: ${String(socket.authorizationError)}`,
      ),
  );
  listener.on('tlsClientError', () => undefined);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { pair } = options;
  const socket: TLSSocket = connect({
    host: '127.0.0.1',
    port: (listener.address() as AddressInfo).port,
    servername: options.host ?? 'orders-1-0.orders-instances.shop.svc',
    ca: options.trusted ?? authority.certificate,
    ...(pair === undefined ? {} : { cert: pair.certificate, key: pair.key }),
  });
  try {
    let heard = '';
    for await (const chunk of socket) heard += String(chunk);
    return heard;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  } finally {
    socket.destroy();
    listener.close();
  }
}

test('two sides with certificates of one authority shake hands, and know each other by name', async () => {
  expect(await handshake({ pair: client })).toBe('hello replica_manager_monitor');
  expect(await handshake({ pair: client, host: 'localhost' })).toBe('hello replica_manager_monitor');
});

test('a bundle of two authorities trusts the leaves of both', async () => {
  expect(
    await handshake({ pair: client, trusted: strangeAuthority.certificate + authority.certificate }),
  ).toBe('hello replica_manager_monitor');
});

test.for([
  [
    'a host that the certificate does not name',
    { pair: client, host: 'evil.example' },
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ],
  [
    'a server of an authority that is not trusted',
    { pair: client, trusted: strangeAuthority.certificate },
    'SELF_SIGNED_CERT_IN_CHAIN',
  ],
  ['a client without a certificate', {}, 'refused: UNABLE_TO_GET_ISSUER_CERT'],
  [
    'a client with a certificate of another authority',
    { pair: strangeClient },
    'refused: UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  ],
] as const)('a handshake fails with %s', async ([, options, verdict]) => {
  expect(await handshake(options)).toBe(verdict);
});

test('a real PostgreSQL lets the operator in by its certificate, and psql knows the server by its name', async () => {
  await using postgres = await startTemporaryPostgres({
    certificates: { ca: authority.certificate, cert: server.certificate, key: server.key },
  });
  const { primary } = postgres;
  writeFileSync(join(primary.dataDirectory, 'ca.crt'), authority.certificate);
  writeFileSync(
    join(primary.dataDirectory, 'pg_hba.conf'),
    'local all all trust\nhostssl all all all cert\n',
  );
  await primary.query("alter system set ssl_ca_file = 'ca.crt'");
  await primary.query('create role replica_manager_monitor login');
  await primary.query('select pg_reload_conf()');

  const login = (pair: CertificatePair, words: string): string => {
    const conninfo = [
      `hostaddr=127.0.0.1 port=${primary.port} dbname=postgres user=replica_manager_monitor sslmode=verify-full`,
      `sslcert=${fileOf('client.crt', pair.certificate)} sslkey=${fileOf('client.key', pair.key)} ${words}`,
    ].join(' ');
    const { stdout, stderr } = spawnSync('psql', ['-XAtc', 'select current_user', conninfo], {
      encoding: 'utf8',
    });
    return `${stdout}${stderr}`;
  };
  const trusted = `sslrootcert=${fileOf('root.crt', authority.certificate)}`;
  const strange = `sslrootcert=${fileOf('strange.crt', strangeAuthority.certificate)}`;
  await until('the server asks for certificates', () =>
    login(client, `host=localhost ${trusted}`).startsWith('replica'),
  );

  expect(login(client, `host=orders-2-0.orders-instances.shop.svc ${trusted}`)).toBe(
    'replica_manager_monitor\n',
  );
  expect(login(server, `host=localhost ${trusted}`)).toMatch(/certificate authentication failed/);
  expect(login(client, `host=evil.example ${trusted}`)).toMatch(/does not match host name "evil.example"/);
  expect(login(client, `host=localhost ${strange}`)).toMatch(/certificate verify failed/);
  expect(login(strangeClient, `host=localhost ${trusted}`)).toMatch(/tlsv1 alert unknown ca/);
});
