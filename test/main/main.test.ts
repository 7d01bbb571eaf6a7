// The program as it is called: arguments in, exit code and text out.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MemoryApiServer } from '../fixtures/memoryApiServer.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'replica-manager-main-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(script: string, args: readonly string[]) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { env: { PATH: process.env['PATH'] ?? '' } };
    const child = execFile(process.execPath, [script, ...args], options, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

async function startApi(): Promise<MemoryApiServer & AsyncDisposable> {
  const api = await MemoryApiServer.start();
  return Object.assign(api, { [Symbol.asyncDispose]: () => api.close() });
}

/** The program as it runs in its pod, but with a kubeconfig. */
function startOperator(api: MemoryApiServer, env: Record<string, string>): ChildProcess & AsyncDisposable {
  const kubeConfig = join(folder, 'kubeconfig');
  const cluster = { name: 'c', cluster: { server: api.url.origin, 'insecure-skip-tls-verify': true } };
  const context = { name: 'x', context: { cluster: 'c', user: 'u' } };
  const users = [{ name: 'u', user: {} }];
  writeFileSync(
    kubeConfig,
    JSON.stringify({ clusters: [cluster], users, contexts: [context], 'current-context': 'x' }),
  );
  const images = { OPERATOR_IMAGE: 'operator:1', POOLER_IMAGE: 'pooler:1' };
  const child = spawn(process.execPath, ['src/main.ts', 'operator'], {
    env: { PATH: process.env['PATH'] ?? '', KUBECONFIG: kubeConfig, PORT: '0', ...images, ...env },
    stdio: 'ignore',
  });
  const dispose = async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  };
  return Object.assign(child, { [Symbol.asyncDispose]: dispose });
}

test('without a command, and with one that does not exist, the program says what there is', async () => {
  expect(await run('src/main.ts', [])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('a command is missing'),
  });
  expect(await run('src/main.ts', ['dance'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no command dance'),
  });
});

test('the operator says which setting is missing', async () => {
  expect(await run('src/main.ts', ['operator'])).toEqual({
    code: 1,
    stdout: '',
    stderr: 'OPERATOR_IMAGE is not set: it names the image whose agent goes into instances\n',
  });
});

// Loading all of the operator takes seconds on a busy machine.
test('the operator elects its leader by the Lease that it is told', { timeout: 60_000 }, async () => {
  await using api = await startApi();
  await using _operator = startOperator(api, { POD_NAMESPACE: 'ops', ELECTION_LEASE: 'second-operator' });

  await expect
    .poll(() => api.list('leases').map(({ metadata }) => `${metadata.namespace}/${metadata.name}`), {
      timeout: 50_000,
    })
    .toEqual(['ops/second-operator']);
});

test('install copies Node, its library and the agent, and may be run twice', async () => {
  const into = join(folder, 'installed');
  const beside = join(folder, 'image');
  mkdirSync(join(beside, 'lib'), { recursive: true });
  // The script that runs lies beside what it copies, as in the image.
  symlinkSync(join(process.cwd(), 'src/main.ts'), join(beside, 'main.ts'));
  for (const part of ['node', 'agent.mjs', 'lib/libatomic.so.1'])
    writeFileSync(join(beside, part), part, { mode: 0o755 });

  for (let time = 1; time <= 2; time += 1) {
    expect(await run(join(beside, 'main.ts'), ['install', into])).toMatchObject({ code: 0 });
  }
  expect(readdirSync(into, { recursive: true, encoding: 'utf8' }).toSorted()).toEqual([
    'agent.mjs',
    'lib',
    'lib/libatomic.so.1',
    'node',
  ]);
  expect(statSync(join(into, 'node')).mode & 0o111).toBe(0o111);
});

test('install fails when the agent is not there', async () => {
  expect(await run('src/main.ts', ['install', join(folder, 'nothing')])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('ENOENT'),
  });
});
