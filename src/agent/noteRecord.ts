// What a report of PostgreSQL means for the agent: passed on to the pod's log, and kept where the plan or the status needs it.
//
// Invariant: a client cannot speak for the server. What changes the volume is believed only from the process that
// knows it, and only as the whole report: clients put any text they like into theirs.

import type { Log } from '../lib/log.ts';
import type { LogRecord } from '../postgres/errorLog.ts';
import type { AgentMemory } from './agentParts.ts';

/** A replica says this when the primary no longer has what it needs; streaming can never go on from there. */
const missingWalPattern =
  /^could not (?:receive data from WAL stream|start WAL streaming): ERROR: {1,2}requested WAL segment [0-9A-F]{24} has already been removed\s*$/;
/** A primary that was restarted with a larger `max_connections` and the like leaves its replicas behind like this. */
const pausedReplayPattern = /^hot standby is not possible because of insufficient parameter settings$/;
const settingsPattern =
  /^(unrecognized configuration parameter|invalid value for parameter|syntax error in file)/;
const severeWords: ReadonlySet<string> = new Set(['FATAL', 'PANIC']);
/** Processes whose failures are those of one client, not of the server. */
const clientBackends: ReadonlySet<string> = new Set(['client backend', 'walsender']);
/** Said when a process is told to end. */
const orderlyStates: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03']);
/** `cannot_connect_now`: our own cycle asks until the server is up. */
const startingUp = '57P03';

type Kept = Pick<AgentMemory, 'missingWal' | 'pausedReplay' | 'lastError' | 'lastErrorAbout'>;

/** Passes a report of PostgreSQL on to the pod's log and keeps what the plan and the status need. */
export function noteRecord(record: LogRecord, memory: Kept, log: Log): void {
  const { message, severity, at, ...rest } = record;
  const fields = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
  const facts = { source: 'postgres', severity, ...(at === null ? {} : { at }), ...fields };
  const about = aboutOf(record);
  if (record.sqlState === startingUp) log.debug(facts, message);
  else if (about !== null) log.error(facts, message);
  else if (severeWords.has(severity) || severity === 'ERROR' || severity === 'WARNING')
    log.warn(facts, message);
  else log.info(facts, message);
  if (record.backend === 'walreceiver' && missingWalPattern.test(message))
    memory.missingWal = `${message}: the volume must be cloned again`;
  if (record.backend === 'startup' && pausedReplayPattern.test(message))
    memory.pausedReplay = `${message}: the server must be restarted`;
  if (about === null) return;
  memory.lastError = { at: at ?? '', message: `${severity}: ${message}` };
  memory.lastErrorAbout = about;
}

/** Null when the report says nothing about the server as a whole. */
function aboutOf(record: LogRecord): AgentMemory['lastErrorAbout'] | null {
  const { severity, message, backend, sqlState } = record;
  if (settingsPattern.test(message) && backend !== 'client backend') return 'settings';
  if (!severeWords.has(severity) || orderlyStates.has(sqlState ?? '')) return null;
  if (severity !== 'PANIC' && clientBackends.has(backend ?? '')) return null;
  return backend === 'walreceiver' ? 'receiver' : 'server';
}
