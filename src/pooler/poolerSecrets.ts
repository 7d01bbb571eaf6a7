// What the pooler's pod has mounted and must notice changes of: the certificate that its clients see, the authority of
// its servers, the password of its own role.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { databaseRoles } from '../api/names.ts';
import { readSecretFile } from '../lib/readSecretFile.ts';

export interface PoolerSecrets {
  readonly certificate: Buffer;
  readonly key: Buffer;
  /** Content of PgBouncer's auth_file: the pooler's role and no other, everybody else is looked up. */
  readonly users: string;
  /** Differs when anything in here differs. */
  readonly digest: string;
}

export interface PoolerSecretFiles {
  readonly tlsDir: string;
  readonly passwordFile: string;
}

/** @throws Error when one of the files is missing, or the password is empty */
export async function readPoolerSecrets(files: PoolerSecretFiles): Promise<PoolerSecrets> {
  const [certificate, key, authority, password] = await Promise.all([
    readFile(`${files.tlsDir}/tls.crt`),
    readFile(`${files.tlsDir}/tls.key`),
    readFile(`${files.tlsDir}/ca.crt`),
    readSecretFile(files.passwordFile),
  ]);
  const hash = createHash('sha256');
  for (const content of [certificate, key, authority, Buffer.from(password)])
    hash.update(`${content.length}\n`).update(content);
  return { certificate, key, users: usersText(password), digest: hash.digest('hex') };
}

/** In that file a quote is written twice. */
const usersText = (password: string): string =>
  `"${databaseRoles.pooler}" "${password.replaceAll('"', '""')}"\n`;
