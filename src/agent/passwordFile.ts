// The file from which initdb takes the superuser's password, which it takes in no other way.
//
// Invariant: it lies in memory where there is such a place, nobody else can read it, and the agent that finds one of an
// earlier life removes it.

import { createHash } from 'node:crypto';
import { access, constants, rm, writeFile } from 'node:fs/promises';
import { readSecretFile } from '../lib/readSecretFile.ts';
import type { AgentSettings } from './agentSettings.ts';

const memoryDir = '/dev/shm';

export async function withPasswordFile(
  settings: AgentSettings,
  work: (path: string) => Promise<unknown>,
): Promise<void> {
  const password = await readSecretFile(`${settings.places.secretsDir}/superuser/password`);
  const [inMemory, onDisk] = pathsOf(settings);
  const isMemoryThere = await access(memoryDir, constants.W_OK).then(
    () => true,
    () => false,
  );
  const path = isMemoryThere ? inMemory : onDisk;
  await removePasswordFiles(settings);
  try {
    await writeFile(path, `${password}\n`, { mode: 0o600, flag: 'wx' });
    await work(path);
  } finally {
    await rm(path, { force: true });
  }
}

/** An agent that is killed while initdb runs leaves its file behind. */
export async function removePasswordFiles(settings: AgentSettings): Promise<void> {
  for (const path of pathsOf(settings)) await rm(path, { force: true });
}

/** One name for one volume, so that the next agent on it finds what the last one has left. */
function pathsOf({ places }: AgentSettings): readonly [inMemory: string, onDisk: string] {
  const name = `.replica-manager-${createHash('sha256').update(places.volumeDir).digest('hex').slice(0, 16)}`;
  return [`${memoryDir}/${name}`, `${places.tmpDir}/${name}`];
}
