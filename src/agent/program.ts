// Runs PostgreSQL's own programs to their end. Arguments as an array, never through a shell; the environment
// from an allow-list, so that neither our library path nor anything of Kubernetes reaches PostgreSQL.

import { type ChildProcess, spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import type { AgentSettings } from './agentSettings.ts';

/** What PostgreSQL's programs see. English words, because their output is read. */
export function programEnvironment(settings: Pick<AgentSettings, 'searchPath'>): Record<string, string> {
  return { PATH: settings.searchPath, LC_ALL: 'C.UTF-8', LC_MESSAGES: 'C', LANG: 'C.UTF-8', TZ: 'UTC' };
}

export interface Programs {
  readonly dir: string;
  readonly majorVersion: number;
}

/** Finds `postgres` and asks it for its version; an error says what to do when there is none. */
export async function findPrograms(settings: AgentSettings, signal: AbortSignal): Promise<Programs> {
  const dirs = settings.programDirs;
  for (const dir of dirs) {
    if (!(await isExecutable(`${dir}/postgres`)) || !(await isExecutable(`${dir}/initdb`))) continue;
    const text = await runProgram(`${dir}/postgres`, ['--version'], settings, { signal });
    const major = /\(PostgreSQL\) ([0-9]+)/.exec(text)?.[1];
    if (major === undefined) throw new Error(`${dir}/postgres says it is "${text.trim()}", not PostgreSQL`);
    return { dir, majorVersion: Number(major) };
  }
  throw new Error(
    'the image holds no PostgreSQL server in its PATH; set postgres.image to a Debian-based postgres image',
  );
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

export interface RunOptions {
  readonly signal: AbortSignal;
  /** Told every piece of standard error as it comes. */
  readonly onError?: (text: string) => void;
}

/** Enough of a failing program's words to know why. */
const maxKeptCharacters = 4_096;
/** pg_controldata prints 4 kB; nothing that we read prints more than this. */
const maxOutputCharacters = 1_048_576;

/** Runs a program and gives back its standard output; throws with the end of its standard error. */
export function runProgram(
  path: string,
  args: readonly string[],
  settings: Pick<AgentSettings, 'searchPath'>,
  options: RunOptions,
): Promise<string> {
  options.signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, {
      env: programEnvironment(settings),
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: what the program has started ends with it.
      detached: true,
    });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(0, maxOutputCharacters);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-maxKeptCharacters);
      options.onError?.(text);
    });
    const onAbort = () => killGroup(child);
    options.signal.addEventListener('abort', onAbort, { once: true });
    const end = () => options.signal.removeEventListener('abort', onAbort);
    child.on('error', (error) => {
      end();
      reject(error);
    });
    child.on('close', (code, exitSignal) => {
      end();
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (options.signal.aborted) reject(options.signal.reason);
      else if (code === 0) resolve(output);
      else reject(new Error(`${name} failed (${exitSignal ?? `exit ${code}`}): ${lastWords(errors)}`));
    });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** The lines that say why, without progress and banners. */
function lastWords(errors: string): string {
  const lines = errors.split(/[\r\n]+/).map((line) => line.trim());
  const telling = lines.filter((line) => /error|fatal|could not|no such|hint|detail/i.test(line));
  return (
    (telling.length > 0 ? telling : lines.filter((line) => line !== '')).slice(-4).join('; ') || 'no words'
  );
}
