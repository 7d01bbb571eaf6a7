// Roles, passwords, database and lookup function of a topology, made and mended on the primary. Passwords come
// from mounted secrets and go to PostgreSQL as SCRAM verifiers.

import { createHash, randomBytes } from 'node:crypto';
import { databaseRoles } from '../api/names.ts';
import type { TopologyConfig } from '../api/topologyConfig.ts';
import { readSecretFile } from '../lib/readSecretFile.ts';
import {
  createDatabaseSql,
  databaseExistsSql,
  grantSql,
  roleSql,
  roleVerifiersSql,
  userLookupSql,
  type WantedRole,
} from '../postgres/bootstrapSql.ts';
import { matchesScramVerifier, scramSaltBytes, scramVerifier } from '../postgres/scramVerifier.ts';
import type { AgentSettings } from './agentSettings.ts';
import { type Statement, withSession } from './localConnection.ts';

export interface Passwords {
  readonly superuser: string;
  readonly app: string;
  readonly pooler: string;
}

/** Throws when a secret is not mounted. */
export async function readPasswords(settings: AgentSettings): Promise<Passwords> {
  const read = (name: keyof Passwords) => readSecretFile(`${settings.places.secretsDir}/${name}/password`);
  const [superuser, app, pooler] = await Promise.all([read('superuser'), read('app'), read('pooler')]);
  return { superuser, app, pooler };
}

/** Tells whether anything that `healRoles` depends on has changed, without keeping a password. */
export function rolesDigest(passwords: Passwords, bootstrap: TopologyConfig['bootstrap']): string {
  return createHash('sha256')
    .update(JSON.stringify([passwords, bootstrap]))
    .digest('hex');
}

/** Creating a database copies the template, 8 MB, and waits for a checkpoint. */
const statementTimeoutMs = 60_000;

/** Makes everything as it should be; may be repeated and interrupted at any point. */
export async function healRoles(
  passwords: Passwords,
  bootstrap: TopologyConfig['bootstrap'],
  settings: AgentSettings,
): Promise<void> {
  await withSession(settings, { timeoutMs: statementTimeoutMs }, async (query) => {
    const { rows } = await query(roleVerifiersSql);
    const verifiers = new Map(rows.map((row) => [String(row['name']), row['verifier'] as string | null]));
    for (const wanted of wantedRoles(passwords, bootstrap.owner, verifiers)) {
      await query(roleSql(wanted, verifiers.has(wanted.name)));
    }
    await ensureDatabase(query, bootstrap);
    for (const statement of [...grantSql(databaseRoles), ...userLookupSql(databaseRoles.pooler)]) {
      await query(statement);
    }
  });
}

function wantedRoles(
  passwords: Passwords,
  owner: string,
  verifiers: ReadonlyMap<string, string | null>,
): WantedRole[] {
  const withPassword = (name: string, attributes: string, password: string): WantedRole => ({
    name,
    attributes,
    verifier: matchesScramVerifier(password, verifiers.get(name) ?? null)
      ? null
      : scramVerifier(password, randomBytes(scramSaltBytes)),
  });
  const { superuser, replication, monitor, pooler } = databaseRoles;
  const ordinary = 'login nosuperuser nocreatedb nocreaterole noreplication';
  const roles = [
    withPassword(superuser, 'login superuser', passwords.superuser),
    // These two come in by certificate only.
    { name: replication, attributes: 'login replication nosuperuser', verifier: null },
    { name: monitor, attributes: ordinary, verifier: null },
    withPassword(pooler, ordinary, passwords.pooler),
  ];
  // An owner that exists keeps its attributes: a person may have given it more.
  const attributes = verifiers.has(owner) ? 'login' : ordinary;
  return owner === superuser ? roles : [...roles, withPassword(owner, attributes, passwords.app)];
}

async function ensureDatabase(query: Statement, bootstrap: TopologyConfig['bootstrap']): Promise<void> {
  const { rows } = await query(databaseExistsSql, [bootstrap.database]);
  if (rows.length === 0) await query(createDatabaseSql(bootstrap.database, bootstrap.owner));
}
