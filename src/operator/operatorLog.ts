import { pino } from 'pino';
import type { Log } from '../lib/log.ts';

/** JSON lines on standard output, from `level` on. Process and host are left out: the pod's log knows both. */
export function operatorLog(level: string): Log {
  return pino({ level, base: null });
}
