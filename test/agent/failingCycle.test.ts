// What an agent does when it cannot see or cannot do what it must, while its server and the Lease go on. The tests build
// on one another: each mends what it has broken.

import { chmod, mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serverProcesses } from '../../src/agent/serverProcesses.ts';
import { type AgentTopology, agentTopology, leasePath, podPath } from '../fixtures/agentTopology.ts';
import { becomePostgresUser } from '../fixtures/postgresUser.ts';
import { until } from '../fixtures/temporaryPostgres.ts';

const patient = { timeout: 60_000 };
let topology: AgentTopology;

beforeAll(async () => {
  await becomePostgresUser();
  topology = await agentTopology({ instances: 1 });
  await topology.instance(1).start().runsAs('primary', 60_000);
  await until('the roles are there', () => topology.instance(1).said(/^roles, passwords and database/));
}, 300_000);
afterAll(() => topology[Symbol.asyncDispose](), 60_000);

const version = () =>
  topology.kube.get<{ metadata: { resourceVersion: string } }>(leasePath)?.metadata.resourceVersion;

async function isRenewed(): Promise<void> {
  const before = version();
  await until('the Lease is renewed', () => version() !== before, 10_000);
}

test(
  'a secret that is not mounted and a volume that cannot be listed are told, and the primary goes on',
  patient,
  async () => {
    const first = topology.instance(1);
    const { secretsDir, volumeDir } = first.settings.places;
    await rename(secretsDir, `${secretsDir}.away`);
    await first.reaches('tells of the secret', (it) =>
      /secrets\/.*ENOENT|ENOENT.*secrets\//.test(it.reason ?? ''),
    );
    await isRenewed();
    expect([first.status.role, first.loop.isReady()]).toEqual(['primary', true]);
    await rename(`${secretsDir}.away`, secretsDir);
    await first.reaches('is well again', (it) => it.reason === null);

    await chmod(volumeDir, 0o000);
    await first.reaches(
      'tells of the volume',
      (it) => it.reason?.startsWith('the volume cannot be read: EACCES') === true,
    );
    await isRenewed();
    await chmod(volumeDir, 0o700);
    await first.reaches('is well again', (it) => it.reason === null);
  },
);

test(
  'a label that is refused does not keep roles and slots from being mended, and is told until it is taken',
  patient,
  async () => {
    const first = topology.instance(1);
    const { kube } = topology;
    kube.forbids = /\/pods\//;
    kube.put(podPath('orders-1'), { metadata: { name: 'orders-1-0', labels: {} } });
    await first.reaches(
      'tells of the label',
      (it) => it.reason?.includes('pods/orders-1-0: Forbidden') === true,
    );
    topology.configure((config) => ({
      ...config,
      instances: [...config.instances, { name: 'orders-2', host: '127.0.0.99' }],
    }));
    await until('the slot is there', async () => {
      const rows = await first.query('select slot_name from pg_replication_slots');
      return rows.length === 1;
    });
    await isRenewed();
    expect(first.status.reason).toContain('Forbidden');
    kube.forbids = null;
    await first.reaches('is well again', (it) => it.reason === null);
  },
);

test(
  'a server that cannot be started makes its agent unready, and the Lease is not renewed until it runs',
  patient,
  async () => {
    const first = topology.instance(1);
    const { places, postgresPort } = first.settings;
    const obstacle = `${places.socketDir}/.s.PGSQL.${postgresPort}.lock`;
    // The agent starts its server again at once, so its new lock file may be in the way for a moment, and a
    // server that was quicker than the obstacle is killed once more.
    process.kill(await first.postmaster(), 'SIGKILL');
    await until('the obstacle stands', async () => {
      await rm(obstacle, { force: true });
      return mkdir(obstacle).then(
        () => true,
        () => false,
      );
    });
    for (const pid of await serverProcesses(first.paths.pgdata)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself meanwhile.
      }
    }
    await first.reaches('tells why', (it) => /\.lock/.test(it.reason ?? ''));
    await until('the agent is unready', () => !first.loop.isReady());
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const before = version();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(version()).toBe(before);
    await rmdir(obstacle);
    await first.runsAs('primary');
    await isRenewed();
  },
);

test(
  'an agent that cannot even look is unready and lets the Lease go, but stops its server when told to',
  patient,
  async () => {
    const first = topology.instance(1);
    Object.defineProperty(first.loop.parts.work, 'failure', {
      get: () => {
        throw new Error('a fault that nobody has thought of');
      },
    });
    await first.reaches('tells the fault', (it) => it.reason === 'a fault that nobody has thought of');
    await until('the agent is unready', () => !first.loop.isReady());
    await first.stop();
    expect(await serverProcesses(first.paths.pgdata)).toEqual([]);
    expect(first.log.some(({ message }) => message === 'database system is shut down')).toBe(true);
  },
);
