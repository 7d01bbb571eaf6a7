// SCRAM verifiers as PostgreSQL stores them, so that a password never travels as clear text in SQL.
// Source: RFC 5802 and PostgreSQL's src/common/scram-common.c (`SCRAM-SHA-256$<iterations>:<salt>$<stored>:<server>`).

import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto';

/** PostgreSQL's own default; each client pays for them at every login. */
export const scramIterations = 4096;
export const scramSaltBytes = 16;

/** @param salt 16 random bytes */
export function scramVerifier(password: string, salt: Buffer, iterations = scramIterations): string {
  const salted = pbkdf2Sync(prepared(password), salt, iterations, 32, 'sha256');
  const stored = createHash('sha256').update(hmac(salted, 'Client Key')).digest('base64');
  const server = hmac(salted, 'Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${server}`;
}

/** Whether a stored verifier belongs to this password. An MD5 hash, or none, does not. */
export function matchesScramVerifier(password: string, verifier: string | null): boolean {
  const match = /^SCRAM-SHA-256\$(\d{1,7}):([A-Za-z0-9+/=]+)\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$/.exec(
    verifier ?? '',
  );
  if (match?.[1] === undefined || match[2] === undefined || verifier === null) return false;
  const expected = Buffer.from(scramVerifier(password, Buffer.from(match[2], 'base64'), Number(match[1])));
  const actual = Buffer.from(verifier);
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/** SASLprep in the part that matters for passwords that people type: compatible forms become one. */
function prepared(password: string): string {
  return password.normalize('NFKC');
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
