// Finds and ends what is left of a server. Every PostgreSQL process works in its data directory, so its
// /proc/<pid>/cwd tells whose it is. When the postmaster is killed its children live on for a moment, and a
// new server would refuse to start beside them.

import { readdir, readlink, rm } from 'node:fs/promises';
import type { Clock } from '../lib/clock.ts';

/** How long children get to notice that their postmaster is gone before they are killed. */
const patienceMs = 500;
const pollMs = 20;
/** A process in uninterruptible sleep does not even obey SIGKILL. */
const giveUpMs = 10_000;

/** Processes whose working directory is `pgdata` or one below it. */
export async function serverProcesses(pgdata: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      // Gone meanwhile, or of another user: not ours.
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
      return cwd === pgdata || cwd.startsWith(`${pgdata}/`) ? pid : 0;
    }),
  );
  return found.filter((pid) => pid !== 0 && pid !== process.pid);
}

/** Waits until no process of the server is left, and kills those that do not go. */
export async function endServerProcesses(pgdata: string, clock: Clock, signal: AbortSignal): Promise<void> {
  const startedAt = clock.now();
  for (;;) {
    const pids = await serverProcesses(pgdata);
    if (pids.length === 0) return;
    const waitedMs = clock.now() - startedAt;
    if (waitedMs > giveUpMs) throw new Error(`processes ${pids.join(', ')} of the old server do not end`);
    for (const pid of pids) kill(pid, waitedMs < patienceMs ? 'SIGQUIT' : 'SIGKILL');
    await clock.sleep(pollMs, signal);
  }
}

/**
 * Removes the lock files of a server of which no process is left.
 *
 * They hold a process number, and after a restart of the container that number may belong to anybody, which
 * PostgreSQL takes for a running server.
 */
export async function removeLockFiles(pgdata: string, socketDir: string, port: number): Promise<void> {
  const socket = `${socketDir}/.s.PGSQL.${port}`;
  await Promise.all(
    [`${pgdata}/postmaster.pid`, socket, `${socket}.lock`].map((path) => rm(path, { force: true })),
  );
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}
