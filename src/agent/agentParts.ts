// What an agent is made of. Each part has a lifetime of its own; the cycle only looks at them and tells them
// what to do.

import type { KubeClient } from '../kube/client.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { LogRecord } from '../postgres/errorLog.ts';
import { type AgentSettings, volumePaths } from './agentSettings.ts';
import { ControlFileReader } from './controlFile.ts';
import { LocalConnection } from './localConnection.ts';
import { PodLabel } from './podLabel.ts';
import { PrimaryLease } from './primaryLease.ts';
import type { Programs } from './program.ts';
import { PostgresServer } from './server.ts';
import { TopologyDocument } from './topologyDocument.ts';
import { Wake } from './wake.ts';
import { Work } from './work.ts';

export interface AgentDeps {
  readonly settings: AgentSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly kube: KubeClient;
}

/** What the cycle remembers from one turn to the next. */
export interface AgentMemory {
  programs: Programs | null;
  /** What `healRoles` last worked from. */
  rolesDigest: string | null;
  lastError: { readonly at: string; readonly message: string } | null;
  /** What the last error was about: it is history when a receiver streams again, or when settings are written anew. */
  lastErrorAbout: 'receiver' | 'settings' | 'server';
  /** What PostgreSQL does not take of the parameters `of`, as JSON. */
  refused: { readonly of: string; readonly names: readonly string[] };
  missingWal: string | null;
  pausedReplay: string | null;
  clonedAgainAtMs: number | null;
  lastRole: 'primary' | 'replica' | null;
  answeredAtMs: number;
  isFinished: boolean;
}

export interface AgentParts extends AgentDeps {
  readonly paths: ReturnType<typeof volumePaths>;
  readonly wake: Wake;
  readonly server: PostgresServer;
  readonly connection: LocalConnection;
  readonly lease: PrimaryLease;
  readonly document: TopologyDocument;
  readonly podLabel: PodLabel;
  readonly work: Work;
  readonly control: ControlFileReader;
  readonly memory: AgentMemory;
}

export function createAgentParts(deps: AgentDeps): AgentParts {
  const { settings, clock, log, kube } = deps;
  const wake = new Wake();
  const onChange = () => wake.now();
  const memory: AgentMemory = {
    programs: null,
    rolesDigest: null,
    lastError: null,
    lastErrorAbout: 'server',
    refused: { of: '', names: [] },
    missingWal: null,
    pausedReplay: null,
    clonedAgainAtMs: null,
    lastRole: null,
    answeredAtMs: clock.now(),
    isFinished: false,
  };
  const onRecord = (record: LogRecord) => noteRecord(record, memory, log);
  return {
    ...deps,
    paths: volumePaths(settings.places),
    wake,
    server: new PostgresServer({ settings, clock, log, onExit: onChange, onRecord }),
    connection: new LocalConnection(settings),
    lease: new PrimaryLease({ kube, settings, clock, log, onChange }),
    document: new TopologyDocument({ kube, settings, clock, log, onChange }),
    podLabel: new PodLabel(kube, settings, clock),
    work: new Work(clock, log, onChange),
    control: new ControlFileReader(),
    memory,
  };
}

/** A replica says this when the primary no longer has what it needs; streaming can never go on from there. */
const missingWalPattern = /requested WAL segment [0-9A-F]{24} has already been removed/;
/** A primary that was restarted with a larger `max_connections` and the like leaves its replicas behind like this. */
const pausedReplayPattern = /hot standby is not possible because of insufficient parameter settings/;
const settingsPattern =
  /^(unrecognized configuration parameter|invalid value for parameter|syntax error in file)/;
const severeWords: ReadonlySet<string> = new Set(['FATAL', 'PANIC']);
/** Processes whose failures are those of one client, not of the server. */
const clientBackends: ReadonlySet<string> = new Set(['client backend', 'walsender']);
/** Said when a process is told to end. */
const orderlyStates: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03']);
/** `cannot_connect_now`: our own cycle asks until the server is up. */
const startingUp = '57P03';

/** Passes a report of PostgreSQL on to the pod's log and keeps what the plan and the status need. */
function noteRecord(record: LogRecord, memory: AgentMemory, log: Log): void {
  const { message, severity, at, ...rest } = record;
  const fields = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
  const facts = { source: 'postgres', severity, ...(at === null ? {} : { at }), ...fields };
  const about = aboutOf(record);
  if (record.sqlState === startingUp) log.debug(facts, message);
  else if (about !== null) log.error(facts, message);
  else if (severeWords.has(severity) || severity === 'ERROR' || severity === 'WARNING')
    log.warn(facts, message);
  else log.info(facts, message);
  if (missingWalPattern.test(message)) memory.missingWal = `${message}: the volume must be cloned again`;
  if (pausedReplayPattern.test(message)) memory.pausedReplay = `${message}: the server must be restarted`;
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
