import { stat } from 'node:fs/promises';
import { type ControlData, parseControlData } from '../postgres/controlData.ts';
import type { AgentSettings } from './agentSettings.ts';
import { type Programs, runProgram } from './program.ts';

/** Reads the control file of a volume; throws when it is damaged or missing. */
export async function readControlData(
  pgdata: string,
  programs: Programs,
  settings: AgentSettings,
  signal: AbortSignal,
): Promise<ControlData> {
  return parseControlData(await runProgram(`${programs.dir}/pg_controldata`, [pgdata], settings, { signal }));
}

/** Remembers the last reading, so that a cycle of a second does not start a program each time. */
export class ControlFileReader {
  #key = '';
  #control: ControlData | undefined;

  /**
   * The control file of `pgdata`.
   *
   * @param running a server runs on it: then the last reading will do, for what is read never changes under
   *   a running server but for the state and the timeline, which the server itself tells
   */
  async read(
    pgdata: string,
    running: boolean,
    programs: Programs,
    settings: AgentSettings,
    signal: AbortSignal,
  ): Promise<ControlData> {
    const { ino, mtimeMs } = await stat(`${pgdata}/global/pg_control`);
    const key = running ? String(ino) : `${ino} ${mtimeMs}`;
    const hit = running ? this.#key.split(' ')[0] === key : this.#key === key;
    if (this.#control !== undefined && hit) return this.#control;
    this.#control = await readControlData(pgdata, programs, settings, signal);
    this.#key = `${ino} ${mtimeMs}`;
    return this.#control;
  }
}
