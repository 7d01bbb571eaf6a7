import { mkdtempSync, rmSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { readAgentSettings } from '../../src/agent/agentSettings.ts';
import { PostgresServer } from '../../src/agent/server.ts';
import { serverProcesses } from '../../src/agent/serverProcesses.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { until } from '../fixtures/temporaryPostgres.ts';

const folders: string[] = [];
afterEach(() => {
  for (const it of folders.splice(0)) rmSync(it, { recursive: true, force: true });
});

/** A server whose program is a shell script; it works in its data directory as PostgreSQL does. */
async function serverOf(script: string) {
  const folder = mkdtempSync(`${tmpdir()}/rm-server-`);
  folders.push(folder);
  const settings = readAgentSettings({
    RM_TOPOLOGY: 'orders',
    RM_NAMESPACE: 'shop',
    RM_INSTANCE: 'orders-1',
    RM_POD_NAME: 'orders-1-0',
    RM_POD_UID: 'uid',
    RM_VOLUME_DIR: folder,
    RM_SOCKET_DIR: folder,
  });
  const pgdata = `${folder}/pgdata`;
  await mkdir(pgdata);
  await writeFile(`${folder}/postgres`, `#!/bin/sh\ncd "$2"\n${script}\n`);
  await chmod(`${folder}/postgres`, 0o755);
  const states: string[] = [];
  const onExit = () => states.push(server.state.kind);
  const deps = { settings, clock: systemClock, log: silentLog, onExit, onRecord: () => {} };
  const server: PostgresServer = new PostgresServer(deps);
  await server.start('primary', folder, new AbortController().signal);
  await until('the process is at work', async () => (await serverProcesses(pgdata)).length > 0);
  return { server, pgdata, states };
}

const neverEnding = 'while :; do sleep 0.05; done';

test('an immediate stop overtakes an ordered one that is on its way', async () => {
  const { server, pgdata } = await serverOf(`trap '' INT\ntrap 'exit 2' QUIT\necho up >up\n${neverEnding}`);
  const ordered = server.stop('ordered', () => new Promise(() => {}));
  expect(server.state).toEqual({ kind: 'stopping', as: 'primary', mode: 'ordered' });
  const startedAt = performance.now();
  const immediate = server.stop('immediate', () => Promise.reject(new Error('no checkpoint is asked for')));
  expect(server.state).toEqual({ kind: 'stopping', as: 'primary', mode: 'immediate' });
  await Promise.all([ordered, immediate]);
  expect(performance.now() - startedAt).toBeLessThan(4_000);
  expect(server.state).toMatchObject({ kind: 'stopped', exits: 0 });
  expect(await serverProcesses(pgdata)).toEqual([]);
});

test('an ordered stop does not slow down an immediate one', async () => {
  const { server } = await serverOf(`trap 'exit 2' QUIT\n${neverEnding}`);
  const immediate = server.stop('immediate', () => Promise.resolve());
  await server.stop('ordered', () => new Promise(() => {}));
  expect(server.state.kind).toBe('stopped');
  await immediate;
});

test('a server that ended by itself counts as stopping until nothing is left of it', async () => {
  const { server, pgdata, states } = await serverOf(`(trap '' QUIT; ${neverEnding}) &\nsleep 0.3\nexit 1`);
  await until('the main process has ended', () => server.state.kind !== 'started');
  expect(server.state).toEqual({ kind: 'stopping', as: 'primary', mode: 'immediate' });
  expect((await serverProcesses(pgdata)).length).toBeGreaterThan(0);
  await until('the server has stopped', () => server.state.kind === 'stopped');
  expect(await serverProcesses(pgdata)).toEqual([]);
  expect(server.state).toMatchObject({ kind: 'stopped', exits: 1 });
  expect(states).toEqual(['stopped']);
});
