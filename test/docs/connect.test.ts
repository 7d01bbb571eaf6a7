// The ways to connect that docs/connect.md describes, with a server that shows a certificate of its own authority.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, type ClientConfig } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCertificates, type TemporaryCertificates } from '../fixtures/temporaryCertificates.ts';
import { startTemporaryPostgres, type TemporaryPostgres } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
let certificates: TemporaryCertificates;
let folder: string;
/** As in the Secret of a topology. */
let secret: { uri: string; parts: ClientConfig };

beforeAll(async () => {
  certificates = await makeCertificates();
  postgres = await startTemporaryPostgres({ replicas: 0, certificates });
  folder = mkdtempSync(join(tmpdir(), 'replica-manager-connect-'));
  writeFileSync(join(folder, 'ca.crt'), certificates.ca);
  const { host, port } = postgres.primary;
  const { user, password } = postgres;
  const uri = `postgresql://${user}:${encodeURIComponent(password)}@${host}:${port}/postgres?sslmode=require`;
  secret = { uri, parts: { host, port, user, password, database: 'postgres' } };
}, 60_000);

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await postgres[Symbol.asyncDispose]();
});

/** Whether the connection is encrypted, as the server sees it, or why there is none. */
async function connect(config: ClientConfig): Promise<unknown> {
  const client = new Client(config);
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
    return rows[0];
  } catch (error) {
    return String(error);
  } finally {
    await client.end();
  }
}

test('node-postgres connects with the parts of the Secret and its authority', async () => {
  expect(await connect({ ...secret.parts, ssl: { ca: certificates.ca } })).toEqual({ ssl: true });
});

test('node-postgres connects with the URI when that names the file of the authority', async () => {
  const connectionString = `${secret.uri}&sslrootcert=${join(folder, 'ca.crt')}`;

  expect(await connect({ connectionString })).toEqual({ ssl: true });
});

test('node-postgres does not trust the server by the URI alone, whatever stands beside it', async () => {
  const { uri } = secret;

  const untrusted = expect.stringMatching(/^Error: unable to verify the first certificate/);

  expect(await connect({ connectionString: uri })).toEqual(untrusted);
  expect(await connect({ connectionString: uri, ssl: { ca: certificates.ca } })).toEqual(untrusted);
});
