import type { Log } from '../lib/log.ts';

/** The levels of pino with its numbers, so that one pipeline reads the lines of every part. */
const levels = { debug: 20, info: 30, warn: 40, error: 50 } as const;

export type LogLevel = keyof typeof levels;
export const logLevels = Object.keys(levels) as readonly LogLevel[];

/** One line of JSON per message, from `level` on. Without a library, as the library's users have none. */
export function jsonLog(level: LogLevel, wallNow: () => Date, write: (line: string) => void): Log {
  const at = (of: LogLevel) => (fields: object, message: string) => {
    if (levels[of] < levels[level]) return;
    write(`${JSON.stringify({ level: levels[of], time: wallNow().getTime(), ...fields, msg: message })}\n`);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
