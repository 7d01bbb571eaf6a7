// The copy of a replica that is cloned again: `pgdata` → `pgdata.old`, which goes when the new clone is complete.
//
// Invariants:
// - Only what a standby has written is set aside or removed; what was a primary may be the only copy of a write.
// - While the new copy is not complete, the old one goes only for want of space, and only after the primary itself
//   has answered as the same database system.

import { access, rename, rm } from 'node:fs/promises';
import { type AgentPlaces, type AgentSettings, volumePaths } from './agentSettings.ts';
import { syncDirectory } from './atomicFile.ts';
import { type Programs, runProgram } from './program.ts';

/** No server may run on it. Throws when it is not the copy of a standby. */
export async function setOldCopyAside(places: AgentPlaces): Promise<void> {
  const paths = volumePaths(places);
  if (!(await isThere(`${paths.pgdata}/standby.signal`))) {
    throw new Error(`${paths.pgdata} is not the copy of a standby, it is kept`);
  }
  // `pgdata` is complete, so what lies beside it is left over.
  for (const path of [paths.unfinished, paths.old]) await rm(path, { recursive: true, force: true });
  await rename(paths.pgdata, paths.old);
  await syncDirectory(places.volumeDir);
}

export function hasOldCopy(places: AgentPlaces): Promise<boolean> {
  return isThere(volumePaths(places).old);
}

/** Only when `pgdata` is complete. */
export async function removeOldCopy(places: AgentPlaces): Promise<void> {
  await rm(volumePaths(places).old, { recursive: true, force: true });
}

export interface PrimaryToClone {
  /** Of a replication connection. */
  readonly conninfo: string;
  readonly systemIdentifier: string;
}

/** Removes the old copy to make room; false when there is none that may go, or the primary cannot be cloned now. */
export async function giveUpOldCopy(
  primary: PrimaryToClone,
  programs: Programs,
  settings: AgentSettings,
  signal: AbortSignal,
): Promise<boolean> {
  const { old } = volumePaths(settings.places);
  if (!(await isThere(`${old}/standby.signal`))) return false;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(identifyTimeoutMs)]);
  const args = ['-XAt', `--dbname=${primary.conninfo}`, '--no-password', '--command=IDENTIFY_SYSTEM'];
  const answer = await runProgram(`${programs.dir}/psql`, args, settings, { signal: limit }).catch(() => '');
  signal.throwIfAborted();
  if (answer.split('|')[0] !== primary.systemIdentifier) return false;
  await rm(old, { recursive: true, force: true });
  await syncDirectory(settings.places.volumeDir);
  return true;
}

/** The primary has just streamed a backup to us; who needs longer for one line is not there. */
const identifyTimeoutMs = 10_000;

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
