// The program, configured by the guide's environment, and the alert scripts, with real replicas that stop, lag and are promoted.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HealthAnswer, InfoAnswer, LagAnswer, StatsAnswer } from '../../src/service/guideAnswers.ts';
import type { TopologyAnswer } from '../../src/service/topologyAnswer.ts';
import { type ServiceProcess, startService } from '../fixtures/serviceProcess.ts';
import { startTemporaryPostgres, type TemporaryPostgres, until } from '../fixtures/temporaryPostgres.ts';

let postgres: TemporaryPostgres;
let service: ServiceProcess;

beforeAll(async () => {
  postgres = await startTemporaryPostgres({ replicas: 2 });
  await postgres.primary.query('CREATE TABLE properties (name text)');
  await postgres.caughtUp();
  const { host, port } = postgres.primary;
  const login = `${postgres.user}:${encodeURIComponent(postgres.password)}`;
  const urls = postgres.replicas.map((it) => `postgresql://${login}@${it.host}:${it.port}/postgres`);
  service = await startService({
    USE_READ_REPLICAS: 'true',
    DB_HOST: host,
    DB_PORT: String(port),
    DB_NAME: 'postgres',
    DB_USER: postgres.user,
    DB_PASSWORD: postgres.password,
    READ_REPLICA_CONNECTION_STRING: urls.join(','),
  });
}, 60_000);

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
});

const get = async <T>(path: string): Promise<T> => (await fetch(service.url + path)).json() as Promise<T>;
const health = () => get<HealthAnswer>('/database/replica/health');
const lag = () => get<LagAnswer>('/database/replica/lag');

/** Exit code and text of a script that ships. */
function run(name: string, more: Record<string, string> = {}) {
  const path = join(import.meta.dirname, '../../examples/monitoring', name);
  const env = { PATH: process.env['PATH'] ?? '', REPLICA_MANAGER_URL: service.url, ...more };
  return promisify(execFile)(path, [], { env }).then(
    ({ stdout }) => ({ code: 0, text: stdout.trim() }),
    (error: { code: number; stdout: string }) => ({ code: error.code, text: error.stdout.trim() }),
  );
}

const [second, third] = ['read_replica', 'read_replica_2'];
const replicaOf = (index: number) => {
  const server = postgres.replicas[index];
  if (server === undefined) throw new Error(`there is no replica ${index}`);
  return server;
};

test('replicas that are well are healthy, their lag is known, and the scripts are content', async () => {
  await until('all is well', async () => (await health()).healthy && (await lag()).maxLag < 1);
  expect(await health()).toMatchObject({
    replicas: [
      { name: second, healthy: true },
      { name: third, healthy: true },
    ],
  });
  expect(await get('/database/info')).toMatchObject({
    primaryConnected: true,
    replicasEnabled: true,
    replicaCount: 2,
    hasReadReplicas: true,
  });
  expect([0, 1]).toContain((await get<StatsAnswer>('/database/replica/stats')).currentReplicaIndex);
  expect(await run('replica_health_check.sh')).toEqual({ code: 0, text: 'Replica health check passed' });
  expect(await run('replica_lag_monitor.sh')).toMatchObject({ code: 0 });
});

test('a replica that stops is an alert until it is back', { timeout: 60_000 }, async () => {
  const server = replicaOf(0);
  await server.stop();
  await until('it is noticed', async () => !(await health()).healthy);
  const { code, text } = await run('replica_health_check.sh');
  expect([code, text]).toEqual([1, expect.stringContaining('ALERT: Replica health check failed!')]);
  const topology = await get<TopologyAnswer>('/topology');
  expect(topology.replicas[0]).toMatchObject({
    name: second,
    status: 'unhealthy',
    observed: { kind: 'failed' },
  });
  await server.start();
  await until('it is back', async () => (await health()).healthy);
  expect(await run('replica_health_check.sh')).toMatchObject({ code: 0 });
});

test('a replica that lags is an alert until it has caught up', { timeout: 60_000 }, async () => {
  const server = replicaOf(1);
  await server.query('SELECT pg_wal_replay_pause()');
  const write = () => postgres.primary.query("INSERT INTO properties VALUES ('Hotel California')");
  await until('it lags by more than two seconds', async () => {
    await write();
    return (await lag()).replicas.some(({ name, lagSeconds }) => name === third && (lagSeconds ?? 0) > 2);
  });
  expect(await run('replica_lag_monitor.sh', { MAX_LAG_THRESHOLD: '2' })).toEqual({
    code: 1,
    text: expect.stringMatching(/^ALERT: Replica lag is \d+(\.\d+)? seconds \(threshold: 2\)$/),
  });
  await server.query('SELECT pg_wal_replay_resume()');
  await until('it has caught up', async () => (await lag()).maxLag < 2);
  expect(await run('replica_lag_monitor.sh', { MAX_LAG_THRESHOLD: '2' })).toMatchObject({ code: 0 });
});

test('an idle primary makes no lag', { timeout: 30_000 }, async () => {
  await postgres.caughtUp();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect((await lag()).maxLag).toBeLessThan(1);
});

test('a primary that is gone makes the lag unknown, and one that is promoted is found', {
  timeout: 60_000,
}, async () => {
  await postgres.primary.stop();
  await until(
    'it is noticed',
    async () => !(await get<{ primaryConnected: boolean }>('/database/info')).primaryConnected,
  );
  expect(await run('replica_lag_monitor.sh')).toMatchObject({ code: 1 });
  await replicaOf(0).promote();
  await until(
    'the new primary is found',
    async () => (await get<TopologyAnswer>('/topology')).primary?.name === second,
  );
  expect(await get('/database/info')).toMatchObject({ primaryConnected: true });
});

test('a primary without replicas is asked, too', { timeout: 60_000 }, async () => {
  const { host, port } = postgres.primary;
  await using alone = await startService({
    DB_HOST: host,
    DB_PORT: String(port),
    DB_NAME: 'postgres',
    DB_USER: postgres.user,
    DB_PASSWORD: postgres.password,
  });
  const info = async () => (await fetch(`${alone.url}/database/info`)).json() as Promise<InfoAnswer>;
  expect(await info()).toMatchObject({ primaryConnected: false });
  await postgres.primary.start();
  await until('it is there', async () => (await info()).primaryConnected);
  expect(await info()).toMatchObject({ replicasEnabled: false, replicaCount: 0, hasReadReplicas: false });
  await postgres.primary.stop();
  await until('it is gone', async () => !(await info()).primaryConnected);
  expect(await alone.stop()).toBe(0);
});

test('no password is in any answer or line of the log', async () => {
  const paths = ['/topology', '/metrics', '/database/replica/health', '/database/info'];
  const texts = await Promise.all(paths.map((path) => fetch(service.url + path).then((it) => it.text())));
  expect([...texts, ...service.lines].join('\n')).not.toContain(postgres.password);
  expect([...texts, ...service.lines].join('\n')).not.toContain(encodeURIComponent(postgres.password));
});
