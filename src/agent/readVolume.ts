// What is in the volume. Reads only.

import { readdir } from 'node:fs/promises';
import type { VolumeFact } from '../plan/instanceFacts.ts';
import { type AgentSettings, volumePaths } from './agentSettings.ts';
import { readFileIfThere } from './atomicFile.ts';
import type { ControlFileReader } from './controlFile.ts';
import type { Programs } from './program.ts';
import { readRecord } from './record.ts';

/**
 * Never throws for what is in the volume: what cannot be understood is a fact as well.
 *
 * @param running a server of ours runs on it
 */
export async function readVolume(
  settings: AgentSettings,
  programs: Programs,
  control: ControlFileReader,
  running: boolean,
  signal: AbortSignal,
): Promise<VolumeFact> {
  try {
    return await look(settings, programs, control, running, signal);
  } catch (error) {
    signal.throwIfAborted();
    const text = error instanceof Error ? error.message : String(error);
    return { kind: 'unreadable', reason: `the volume cannot be read: ${text}` };
  }
}

async function look(
  settings: AgentSettings,
  programs: Programs,
  control: ControlFileReader,
  running: boolean,
  signal: AbortSignal,
): Promise<VolumeFact> {
  const paths = volumePaths(settings.places);
  const names = await readdir(settings.places.volumeDir);
  if (names.includes('PG_VERSION')) {
    return {
      kind: 'unreadable',
      reason: 'the volume holds a database that no topology has put there; use an empty volume',
    };
  }
  if (!names.includes('pgdata')) {
    // A copy that is being replaced is kept beside the new one until that is complete.
    const isBegun = names.includes('pgdata.new') || names.includes('pgdata.old');
    return { kind: isBegun ? 'unfinished' : 'empty' };
  }
  const majorVersion = Number(await readFileIfThere(`${paths.pgdata}/PG_VERSION`));
  const record = await readRecord(paths.record);
  const standby = (await readFileIfThere(`${paths.pgdata}/standby.signal`)) !== null;
  if (majorVersion !== programs.majorVersion) {
    // The control file of another version cannot be read with these programs; the plan refuses it anyway.
    const systemIdentifier = record?.systemIdentifier ?? '';
    return { ...unread, systemIdentifier, majorVersion, record, standby };
  }
  const read = await control.read(paths.pgdata, running, programs, settings, signal);
  const { systemIdentifier, state, timeline, floors } = read;
  return {
    kind: 'data',
    systemIdentifier,
    majorVersion,
    record,
    standby,
    controlState: state,
    timeline,
    floors,
  };
}

const unread = { kind: 'data', controlState: 'unknown', timeline: 0, floors: {} } as const;
