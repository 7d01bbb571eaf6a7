import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { readAgentSettings } from '../../src/agent/agentSettings.ts';
import { VolumeLock } from '../../src/agent/volumeLock.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { until } from '../fixtures/temporaryPostgres.ts';

const folders: string[] = [];
const locks: VolumeLock[] = [];
afterEach(async () => {
  for (const it of locks.splice(0)) await it.release();
  for (const it of folders.splice(0)) rmSync(it, { recursive: true, force: true });
});

function volume() {
  const folder = mkdtempSync(`${tmpdir()}/rm-lock-`);
  folders.push(folder);
  return folder;
}

function lockOn(folder: string, log = silentLog, searchPath = '/usr/bin:/bin') {
  const settings = readAgentSettings({
    RM_TOPOLOGY: 'orders',
    RM_NAMESPACE: 'shop',
    RM_INSTANCE: 'orders-1',
    RM_POD_NAME: 'orders-1-0',
    RM_POD_UID: 'uid',
    RM_VOLUME_DIR: folder,
    PATH: searchPath,
  });
  const lock = new VolumeLock(settings, systemClock, log);
  locks.push(lock);
  return lock;
}

/** Of the only lock that this process holds. */
function pidOfHolder(): number | undefined {
  const children = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], {
    encoding: 'utf8',
  });
  const pid = /^ *([0-9]+) cat$/m.exec(children)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

test('of two agents on one volume one has the lock, and the other gets it when that ends', async () => {
  const folder = volume();
  const [first, second] = [lockOn(folder), lockOn(folder)];
  expect([await first.take(), await first.take(), await second.take()]).toEqual([true, true, false]);
  expect(readdirSync(folder)).toEqual([]);
  await first.release();
  expect([await second.take(), await first.take()]).toEqual([true, false]);
});

test('a lock whose process was killed is free, and who had it does not believe to have it', async () => {
  const folder = volume();
  const [first, second] = [lockOn(folder), lockOn(folder)];
  await first.take();
  // The lock is said to be held by the shell, a moment before it becomes the `cat` that holds it from then on.
  await until('the holder waits for its end', () => pidOfHolder() !== undefined);
  process.kill(Number(pidOfHolder()), 'SIGKILL');
  await until('the lock is free', () => second.take());
  await until('the first one notices', async () => !(await first.take()));
});

test('without flock there is no lock, and the log says so once', async () => {
  const said: object[] = [];
  const log = { ...silentLog, warn: (fields: object) => said.push(fields) };
  const lock = lockOn(volume(), log, '/nowhere');
  expect([await lock.take(), await lock.take()]).toEqual([true, true]);
  expect(said).toEqual([{ reason: 'spawn flock ENOENT' }]);
});
