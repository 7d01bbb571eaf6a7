// What an agent is made of. Each part has a lifetime of its own; the cycle only looks at them and tells them
// what to do.

import type { KubeClient } from '../kube/client.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { LogRecord } from '../postgres/errorLog.ts';
import { type AgentSettings, volumePaths } from './agentSettings.ts';
import { ControlFileReader } from './controlFile.ts';
import { LocalConnection } from './localConnection.ts';
import { noteRecord } from './noteRecord.ts';
import { PodLabel } from './podLabel.ts';
import { PrimaryLease } from './primaryLease.ts';
import type { Programs } from './program.ts';
import { PostgresServer } from './server.ts';
import { TopologyDocument } from './topologyDocument.ts';
import { VolumeLock } from './volumeLock.ts';
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
  /** As last read; a secret that is being replaced may be away for a moment. */
  certificateDigest: string;
  /** What `healRoles` last worked from. */
  rolesDigest: string | null;
  lastError: { readonly at: string; readonly message: string } | null;
  /** What the last error was about: it is history when a receiver streams again, or when settings are written anew. */
  lastErrorAbout: 'receiver' | 'settings' | 'server';
  /** What PostgreSQL does not take of the parameters `of`, as JSON. */
  refused: { readonly of: string; readonly names: readonly string[] };
  /** What PostgreSQL does not take of the hba lines `of`, as JSON. */
  refusedHba: { readonly of: string; readonly lines: readonly string[] };
  /** The pg_hba.conf that was checked last. */
  checkedHba: string | null;
  /** Why an action failed when it was last tried, by the action. At most one plan's worth. */
  readonly failures: Map<string, string>;
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
  readonly volumeLock: VolumeLock;
  readonly memory: AgentMemory;
}

export function createAgentParts(deps: AgentDeps): AgentParts {
  const { settings, clock, log, kube } = deps;
  const wake = new Wake();
  const onChange = () => wake.now();
  const memory: AgentMemory = {
    programs: null,
    certificateDigest: '',
    rolesDigest: null,
    lastError: null,
    lastErrorAbout: 'server',
    refused: { of: '', names: [] },
    refusedHba: { of: '', lines: [] },
    checkedHba: null,
    failures: new Map(),
    missingWal: null,
    pausedReplay: null,
    clonedAgainAtMs: null,
    lastRole: null,
    answeredAtMs: clock.now(),
    isFinished: false,
  };
  const document = new TopologyDocument({ kube, settings, clock, log, onChange });
  const topologyUid = () => document.config?.topology.uid ?? null;
  const onRecord = (record: LogRecord) => noteRecord(record, memory, log);
  return {
    ...deps,
    paths: volumePaths(settings.places),
    wake,
    server: new PostgresServer({ settings, clock, log, onExit: onChange, onRecord }),
    connection: new LocalConnection(settings),
    lease: new PrimaryLease({ kube, settings, clock, log, onChange, topologyUid }),
    document,
    podLabel: new PodLabel(kube, settings, clock),
    work: new Work(clock, log, onChange),
    control: new ControlFileReader(),
    volumeLock: new VolumeLock(settings, clock, log),
    memory,
  };
}
