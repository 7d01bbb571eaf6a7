// `replicaManager` as a script uses it: from the environment, in a process of its own.

import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createReplicaManager } from '../../src/router/index.ts';
import { endpointsDocument, primaryEndpoint, replicaEndpoint } from '../fixtures/endpointsDocument.ts';
import { MountedFolder } from '../fixtures/mountedFolder.ts';
import {
  startTemporaryPostgres,
  type TemporaryPostgres,
  type TemporaryServer,
} from '../fixtures/temporaryPostgres.ts';

const root = dirname(dirname(import.meta.dirname));
let postgres: TemporaryPostgres;
let endpoints: MountedFolder;
let secret: MountedFolder;

beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 1 });
  endpoints = new MountedFolder();
  secret = new MountedFolder({ username: postgres.user, password: postgres.password, database: 'postgres' });
}, 60_000);

afterAll(async () => {
  endpoints[Symbol.dispose]();
  secret[Symbol.dispose]();
  await postgres[Symbol.asyncDispose]();
});

function publish(epoch: number, primary: TemporaryServer, replica?: TemporaryServer): void {
  const document = endpointsDocument({
    epoch,
    topology: { ...endpointsDocument().topology, systemIdentifier: null },
    timeline: null,
    primary: primaryEndpoint(address(primary)),
    replicas: replica === undefined ? [] : [replicaEndpoint(address(replica))],
  });
  endpoints.write({ 'endpoints.json': JSON.stringify(document) });
}

const address = ({ name, host, port }: TemporaryServer) => ({ name, host, port });

const onlyReplica = (): TemporaryServer => {
  const [replica] = postgres.replicas;
  if (replica === undefined) throw new Error('there is one replica');
  return replica;
};

async function script(source: string, environment: Record<string, string>) {
  const program = `import { replicaManager } from '${join(root, 'src/router/index.ts')}';\n${source}`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    env: { ...process.env, ...environment },
    timeout: 15_000,
  });
  return stdout.trim();
}

test('a script reads and writes by the environment alone, and ends by itself', async () => {
  publish(1, postgres.primary, onlyReplica());
  const source = `
    const sql = "SELECT current_setting('cluster_name') AS server";
    const onPrimary = await replicaManager.getWriteDatabase().exec(sql, []);
    const onReplica = await replicaManager.getReadReplica().exec(sql, []);
    console.log(onPrimary.rows[0].server, onReplica.rows[0].server, replicaManager.hasReadReplicas());`;
  const started = performance.now();
  const output = await script(source, {
    REPLICA_MANAGER_ENDPOINTS_FILE: join(endpoints.path, 'endpoints.json'),
    REPLICA_MANAGER_CREDENTIALS_DIR: secret.path,
    REPLICA_MANAGER_TLS: 'off',
  });
  expect(output).toBe('orders-1 orders-2 true');
  expect(performance.now() - started).toBeLessThan(10_000);
});

test('a wrong environment is told at the first use, not at the import', async () => {
  const source = `
    try { replicaManager.hasReadReplicas(); } catch (error) { console.log(error.code, error.message); }`;
  expect(await script(source, { REPLICA_MANAGER_TLS: 'maybe' })).toBe(
    'RPG_CONFIG_INVALID REPLICA_MANAGER_TLS must be verify-full or off, not "maybe"',
  );
});

test('after a promotion writes go where the new document says, over the connections that are there', async () => {
  publish(1, postgres.primary, onlyReplica());
  await using manager = createReplicaManager({
    endpointsFile: join(endpoints.path, 'endpoints.json'),
    credentialsDir: secret.path,
    tls: 'off',
  });
  const readerPid = await manager.getReadReplica().exec('SELECT pg_backend_pid() AS pid');
  await postgres.primary.stop('immediate');
  await onlyReplica().promote();
  const refused = await manager.routeQuery('INSERT', 'SELECT 1').catch((it: unknown) => it);
  expect(refused).toMatchObject({ isRetryable: true });

  publish(2, onlyReplica());
  await expect.poll(() => manager.status().epoch, { timeout: 5_000 }).toBe(2);
  const written = await manager.routeQuery(
    'INSERT',
    'CREATE TABLE after_promotion AS SELECT pg_backend_pid() AS pid',
  );
  expect(written.rowCount).toBe(1);
  const writerPid = await manager.getReadReplica().exec('SELECT pid FROM after_promotion');
  expect(writerPid.rows).toEqual(readerPid.rows);
});
