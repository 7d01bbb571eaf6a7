import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** The certificate with which an instance shows itself, and the CA of its topology, as PEM. */
export interface CertificateFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer;
  /** Changes when any of the files does. */
  readonly digest: string;
}

/** Throws when the secret is not mounted. */
export async function readCertificateFiles(tlsDir: string): Promise<CertificateFiles> {
  const [cert, key, ca] = await Promise.all([
    readFile(`${tlsDir}/tls.crt`),
    readFile(`${tlsDir}/tls.key`),
    readFile(`${tlsDir}/ca.crt`),
  ]);
  // Of the public parts only: the digest is written into postgresql.conf.
  const digest = createHash('sha256').update(cert).update(ca).digest('hex').slice(0, 16);
  return { cert, key, ca, digest };
}
