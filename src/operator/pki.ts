// Certificates of a topology: an authority of its own, and leaves that it signs. PEM in, PEM out.
//
// Every key is ECDSA P-256: half the work of RSA in each handshake, and known to every client of PostgreSQL.
import 'reflect-metadata'; // @peculiar/x509 registers its algorithms through it and does not load without it.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { CertificatePair } from '../objects/topologyCredentials.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

const dayMs = 24 * 60 * 60 * 1000;
/** Clocks of nodes differ. A certificate that is valid from this moment on would be refused by a clock that is late. */
const backdatedMs = 5 * 60 * 1000;

export interface AuthorityRequest {
  /** Common name. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly lifetimeDays: number;
}

export interface CertificateRequest {
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  readonly usages: readonly ('server' | 'client')[];
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly lifetimeDays: number;
}

/** Makes an authority that may sign leaves and nothing else. */
export async function createAuthority(request: AuthorityRequest): Promise<CertificatePair> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [request.name] }],
    keys,
    signingAlgorithm: algorithm,
    ...validity(request.nowMs, request.lifetimeDays),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pemOf(certificate), key: await pemOfKey(keys.privateKey) };
}

/**
 * Makes a key and a certificate for it. It never outlives the authority.
 *
 * @throws when the authority's certificate or key cannot be read
 */
export async function issueCertificate(
  authority: CertificatePair,
  request: CertificateRequest,
): Promise<CertificatePair> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const keys = await newKeys();
  const { notBefore, notAfter } = validity(request.nowMs, request.lifetimeDays);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [request.commonName] }],
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey: await readKey(authority.key),
    signingAlgorithm: algorithm,
    notBefore,
    notAfter: new Date(Math.min(notAfter.getTime(), issuer.notAfter.getTime())),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(request.usages.map((usage) => extendedKeyUsages[usage])),
      ...(request.dnsNames.length === 0
        ? []
        : [
            new x509.SubjectAlternativeNameExtension(
              request.dnsNames.map((value) => ({ type: 'dns', value })),
            ),
          ]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { certificate: pemOf(certificate), key: await pemOfKey(keys.privateKey) };
}

export interface CertificateFacts {
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
  readonly commonName: string;
  /** In the order of the certificate. */
  readonly dnsNames: readonly string[];
  /** Whether this authority signed it. Its dates are not looked at. */
  issuedBy(authorityPem: string): boolean;
  /** Whether this private key is the one that it speaks of. */
  hasKey(keyPem: string): boolean;
}

/** Reads the first certificate of a PEM text; undefined when there is none that can be read. */
export function certificateFacts(pem: string): CertificateFacts | undefined {
  const certificate = readOrUndefined(() => new X509Certificate(pem));
  if (certificate === undefined) return undefined;
  return {
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    commonName: /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? '',
    dnsNames: (certificate.subjectAltName ?? '')
      .split(', ')
      .filter((name) => name.startsWith('DNS:'))
      .map((name) => name.slice('DNS:'.length)),
    issuedBy(authorityPem) {
      const authority = readOrUndefined(() => new X509Certificate(authorityPem));
      return (
        authority !== undefined &&
        certificate.checkIssued(authority) &&
        certificate.verify(authority.publicKey)
      );
    },
    hasKey(keyPem) {
      const key = readOrUndefined(() => createPrivateKey(keyPem));
      return key !== undefined && certificate.checkPrivateKey(key);
    },
  };
}

/** Takes a bundle of certificates apart. What is between them is dropped. */
export function splitCertificates(pem: string): string[] {
  return (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (certificate) => `${certificate}\n`,
  );
}

const extendedKeyUsages = {
  server: x509.ExtendedKeyUsage.serverAuth,
  client: x509.ExtendedKeyUsage.clientAuth,
} as const;

const newKeys = () => crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);

function validity(nowMs: number, lifetimeDays: number) {
  return { notBefore: new Date(nowMs - backdatedMs), notAfter: new Date(nowMs + lifetimeDays * dayMs) };
}

/** Text files end in a line feed, or two of them joined cannot be read. */
const pemOf = (certificate: x509.X509Certificate): string => `${certificate.toString('pem')}\n`;

async function pemOfKey(key: CryptoKey): Promise<string> {
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(pkcs8, x509.PemConverter.PrivateKeyTag)}\n`;
}

async function readKey(pem: string): Promise<CryptoKey> {
  const [pkcs8] = x509.PemConverter.decode(pem);
  if (pkcs8 === undefined) throw new Error('the key of the authority is not PEM');
  return await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']);
}

function readOrUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
