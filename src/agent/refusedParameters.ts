// Asks PostgreSQL itself whether it takes a postgresql.conf, before it is put in force: a server that is
// restarted with a parameter that it does not know ends at once, and with it every instance of the topology.

import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { refusedNames } from '../postgres/refusedNames.ts';
import { type AgentSettings, volumePaths } from './agentSettings.ts';
import { type Programs, runProgram } from './program.ts';

/**
 * The parameters that PostgreSQL complains about in a postgresql.conf; empty when it takes the file.
 *
 * It reads the file as at a start and prints one value, without starting anything. Unknown names are told
 * before wrong values are looked at, so who corrects the first may be told the second.
 */
export async function findRefusedParameters(
  conf: string,
  programs: Programs,
  settings: AgentSettings,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const path = `${settings.places.tmpDir}/.conf-${randomUUID()}`;
  let told = '';
  const onError = (text: string) => {
    told += text;
  };
  try {
    await writeFile(path, conf, { mode: 0o600, flag: 'wx' });
    const args = ['-D', volumePaths(settings.places).pgdata, '-C', 'data_directory', `--config-file=${path}`];
    await runProgram(`${programs.dir}/postgres`, args, settings, { signal, onError });
    return [];
  } catch (error) {
    signal.throwIfAborted();
    const names = refusedNames(told);
    if (names.length > 0) return names;
    throw error;
  } finally {
    await rm(path, { force: true });
  }
}
