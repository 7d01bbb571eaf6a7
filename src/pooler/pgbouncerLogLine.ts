import type { Log } from '../lib/log.ts';

export interface PgbouncerLogLine {
  readonly level: keyof Log;
  readonly message: string;
}

const levels: Readonly<Record<string, keyof Log>> = {
  FATAL: 'error',
  ERROR: 'error',
  WARNING: 'warn',
  LOG: 'info',
  DEBUG: 'debug',
  NOISE: 'debug',
};

/** `2026-11-23 10:00:00.000 UTC [7] WARNING text` → level and text. Any other line is taken as a warning. */
export function parsePgbouncerLogLine(line: string): PgbouncerLogLine {
  const match = /^\d{4}-\d\d-\d\d [\d:.]+ \S+ \[\d+\] ([A-Z]+) (.*)$/.exec(line);
  const level = levels[match?.[1] ?? ''];
  if (match?.[2] === undefined || level === undefined) return { level: 'warn', message: line };
  return { level, message: match[2] };
}
