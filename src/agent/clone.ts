// Makes this instance a copy of the primary: pg_basebackup with streamed WAL through the instance's own slot.
// As with initialising, the rename at the end is the moment the copy exists. An interrupted clone starts over:
// half a copy cannot be told from a whole one in any other way.

import { rename, rm, writeFile } from 'node:fs/promises';
import { databaseRoles } from '../api/names.ts';
import type { Clock } from '../lib/clock.ts';
import { replicationConninfo } from '../postgres/conninfo.ts';
import { type AgentSettings, volumePaths } from './agentSettings.ts';
import { syncDirectory } from './atomicFile.ts';
import { readControlData } from './controlFile.ts';
import { giveUpOldCopy, removeOldCopy } from './oldCopy.ts';
import { type Programs, runProgram } from './program.ts';
import { writeRecord } from './record.ts';
import { endServerProcesses } from './serverProcesses.ts';

export interface CloneInput {
  /** Where the primary is reached. */
  readonly host: string;
  readonly slot: string;
  readonly topologyUid: string;
  readonly systemIdentifier: string;
  readonly epoch: number;
}

export interface CloneEnvironment {
  readonly programs: Programs;
  readonly settings: AgentSettings;
  readonly clock: Clock;
  readonly onProgress: (progress: string) => void;
}

const noSpacePattern = /no space left on device|disk quota exceeded/i;

export async function clone(input: CloneInput, env: CloneEnvironment, signal: AbortSignal): Promise<void> {
  const { programs, settings, clock } = env;
  const paths = volumePaths(settings.places);
  await endServerProcesses(paths.unfinished, clock, signal);
  await rm(paths.unfinished, { recursive: true, force: true });
  await runBackup(input, env, signal);
  const control = await readControlData(paths.unfinished, programs, settings, signal);
  if (control.systemIdentifier !== input.systemIdentifier) {
    throw new Error(
      `${input.host} is database system ${control.systemIdentifier}, but this topology is ${input.systemIdentifier}: the copy is not used`,
    );
  }
  await writeFile(`${paths.unfinished}/standby.signal`, '', { mode: 0o600 });
  const { topologyUid, systemIdentifier, epoch } = input;
  const { majorVersion } = programs;
  await writeRecord(paths.record, { version: 1, topologyUid, systemIdentifier, epoch, majorVersion });
  await syncDirectory(paths.unfinished);
  signal.throwIfAborted();
  await rename(paths.unfinished, paths.pgdata);
  await syncDirectory(settings.places.volumeDir);
  await removeOldCopy(settings.places);
}

async function runBackup(input: CloneInput, env: CloneEnvironment, signal: AbortSignal): Promise<void> {
  const { programs, settings, onProgress } = env;
  const conninfo = conninfoOf(input, settings);
  try {
    await runProgram(`${programs.dir}/pg_basebackup`, backupArguments(input, conninfo, settings), settings, {
      signal,
      onError: (text) => {
        const progress = readProgress(text);
        if (progress !== null) onProgress(progress);
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Error) || !noSpacePattern.test(error.message)) throw error;
    const primary = { conninfo: `${conninfo} replication=true`, systemIdentifier: input.systemIdentifier };
    if (!(await giveUpOldCopy(primary, programs, settings, signal))) throw error;
    throw new Error(`${error.message}; the old copy was removed to make room`, { cause: error });
  }
}

function conninfoOf(input: CloneInput, settings: AgentSettings): string {
  return replicationConninfo({
    host: input.host,
    port: settings.postgresPort,
    user: databaseRoles.replication,
    applicationName: settings.instance,
    tlsDir: settings.places.tlsDir,
  });
}

function backupArguments(input: CloneInput, conninfo: string, settings: AgentSettings): string[] {
  return [
    `--pgdata=${volumePaths(settings.places).unfinished}`,
    `--dbname=${conninfo}`,
    '--wal-method=stream',
    `--slot=${input.slot}`,
    '--checkpoint=fast',
    '--no-password',
    '--progress',
  ];
}

/** `12345/67890 kB (18%), 0/1 tablespace` → `18 %`; null for anything else. */
export function readProgress(text: string): string | null {
  const all = [...text.matchAll(/[0-9]+\/[0-9]+ kB \(([0-9]{1,3})%\)/g)];
  const last = all.at(-1)?.[1];
  return last === undefined ? null : `${last} %`;
}
