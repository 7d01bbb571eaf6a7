// Makes the database of a topology, once in its life. Everything is made beside its final place, and the
// rename at the end is the moment it exists: whatever is interrupted before leaves an unfinished folder, which
// the next attempt removes.

import { rename, rm } from 'node:fs/promises';
import { databaseRoles } from '../api/names.ts';
import type { Clock } from '../lib/clock.ts';
import { type AgentSettings, volumePaths } from './agentSettings.ts';
import { syncDirectory } from './atomicFile.ts';
import { readControlData } from './controlFile.ts';
import { withPasswordFile } from './passwordFile.ts';
import { type Programs, runProgram } from './program.ts';
import { writeRecord } from './record.ts';
import { endServerProcesses } from './serverProcesses.ts';

export interface InitializeInput {
  readonly topologyUid: string;
  readonly epoch: number;
}

export async function initialize(
  input: InitializeInput,
  programs: Programs,
  settings: AgentSettings,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const paths = volumePaths(settings.places);
  await endServerProcesses(paths.unfinished, clock, signal);
  await rm(paths.unfinished, { recursive: true, force: true });
  await withPasswordFile(settings, (passwordFile) =>
    runProgram(`${programs.dir}/initdb`, initdbArguments(paths.unfinished, passwordFile), settings, {
      signal,
    }),
  );
  const { systemIdentifier } = await readControlData(paths.unfinished, programs, settings, signal);
  const { topologyUid, epoch } = input;
  const { majorVersion } = programs;
  await writeRecord(paths.record, { version: 1, topologyUid, systemIdentifier, epoch, majorVersion });
  signal.throwIfAborted();
  await rename(paths.unfinished, paths.pgdata);
  await syncDirectory(settings.places.volumeDir);
}

function initdbArguments(pgdata: string, passwordFile: string): string[] {
  return [
    `--pgdata=${pgdata}`,
    `--username=${databaseRoles.superuser}`,
    `--pwfile=${passwordFile}`,
    '--data-checksums',
    '--encoding=UTF8',
    '--locale=C.UTF-8',
    '--auth-local=peer',
    '--auth-host=scram-sha-256',
    '--no-instructions',
  ];
}
