// Who a real server lets in when the lines of the resource let in everybody.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { databaseRoles } from '../../src/api/names.ts';
import { hbaFile } from '../../src/postgres/hba.ts';
import { makeCertificates, type TemporaryCertificates } from '../fixtures/temporaryCertificates.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
let certificates: TemporaryCertificates;

beforeAll(async () => {
  certificates = await makeCertificates();
  // Any authority does: nobody comes with a certificate here, but without one the lines are not taken.
  postgres = await startTemporaryPostgres({ certificates, settings: { ssl_ca_file: 'tls.crt' } });
  const { primary } = postgres;
  for (const name of Object.values(databaseRoles).filter((it) => it !== databaseRoles.superuser)) {
    await primary.query(`create role ${name} login replication`);
  }
  await primary.query('create role app login');
  const lines = ['host all all all trust', 'host replication all all trust', 'local replication all trust'];
  // The fixture asks as the superuser over the socket.
  const text = `local postgres postgres trust\n${hbaFile(databaseRoles, lines)}`;
  await writeFile(join(primary.dataDirectory, 'pg_hba.conf'), text);
  const { rows } = await primary.query('select error from pg_hba_file_rules where error is not null');
  expect(rows).toEqual([]);
  await primary.query('select pg_reload_conf()');
  await until('everybody is let in', async () => (await login('app', {})) === 'in');
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

test.each(Object.values(databaseRoles))('%s does not come in without TLS', async (name) => {
  expect(await login(name, { password: postgres.password })).toMatch(/pg_hba.conf rejects connection/);
});

test('the superuser comes in over TLS with its password only', async () => {
  const ssl = { ca: certificates.ca };
  expect(await login('postgres', { ssl, password: postgres.password })).toBe('in');
  expect(await login('postgres', { ssl, password: 'guessed' })).toMatch(/password authentication failed/);
});

test.each(['app', ...Object.values(databaseRoles)])(
  '%s does not replicate by a line of the resource',
  async (name) => {
    const replication = { replication: 'true', password: postgres.password };
    for (const host of ['127.0.0.1', postgres.primary.socketDirectory]) {
      expect(await login(name, { ...replication, host })).toMatch(
        /pg_hba.conf rejects replication connection/,
      );
    }
  },
);

/** `in`, or why not. */
async function login(user: string, config: pg.ClientConfig & { replication?: string }): Promise<string> {
  const { host, port } = postgres.primary;
  const client = new pg.Client({ host, port, user, database: 'postgres', ssl: false, ...config });
  client.on('error', () => {});
  try {
    await client.connect();
    return 'in';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await client.end().catch(() => {});
  }
}
