// Everything that the plan of one instance may know, read once per cycle by the agent, and everything it may
// ask for. Times are spans in milliseconds on the agent's own monotonic clock; no wall clock is compared.

import type { AgentPhase } from '../api/agentStatus.ts';
import type { TopologyConfig } from '../api/topologyConfig.ts';
import type { InstanceState } from '../postgres/instanceState.ts';
import type { ServerPlaces } from '../postgres/serverSettings.ts';

export interface InstanceFacts {
  readonly instance: string;
  /** Somebody told the agent to end. */
  readonly stopRequested: boolean;
  /** The topology's settings; null until they were read for the first time. */
  readonly config: TopologyConfig | null;
  readonly lease: LeaseFact;
  readonly binaries: BinariesFact;
  /** Another agent works on the volume: that of a pod that was deleted by force. */
  readonly isVolumeTaken: boolean;
  readonly volume: VolumeFact;
  readonly server: ServerFact;
  /** A long piece of work that runs beside the cycles. */
  readonly work: WorkFact | null;
  /** How the last piece of work ended when it failed, and how many failures in a row there were. */
  readonly workFailure: {
    readonly reason: string;
    readonly failures: number;
    readonly sinceMs: number;
  } | null;
  /** The settings as they are in the volume; null when there are none. */
  readonly files: SettingsFiles | null;
  /** Parameters of the settings that PostgreSQL does not take. */
  readonly refusedParameters: readonly string[];
  /** Lines of `postgres.hba` that PostgreSQL does not take. */
  readonly refusedHbaLines: readonly string[];
  readonly certificateDigest: string;
  readonly systemUser: string;
  readonly places: ServerPlaces;
  /** Roles, passwords and database are as the secrets and the settings say. */
  readonly rolesCurrent: boolean;
  /** The role label of our own pod; undefined until it was read. */
  readonly podRole: 'primary' | 'replica' | null | undefined;
  /** What the server said when the WAL it needs was gone from the primary. */
  readonly missingWal: string | null;
  /** What the server said when it stopped replaying because its settings are below the primary's. */
  readonly pausedReplay: string | null;
  /** Since this instance was last told to clone again; null when it never was. */
  readonly sinceCloneAgainMs: number | null;
}

export type LeaseFact =
  | { readonly kind: 'unknown'; readonly reason: string }
  /** The API server said that there is none. */
  | {
      readonly kind: 'missing';
      readonly missingForMs: number;
      /** What the endpoints document says; 0 when none was ever published, null when it cannot be read. */
      readonly publishedEpoch: number | null;
    }
  /** It belongs to an earlier topology of this name, and goes when that is collected. */
  | { readonly kind: 'foreign' }
  | {
      readonly kind: 'held';
      readonly holder: string;
      readonly epoch: number;
      readonly systemIdentifier: string | null;
      /** Since we last saw it change. */
      readonly unchangedForMs: number;
    };

export type BinariesFact =
  | { readonly kind: 'found'; readonly majorVersion: number }
  | { readonly kind: 'missing'; readonly reason: string };

/** The agent's own note in the volume. */
export interface InstanceRecord {
  readonly version: 1;
  readonly topologyUid: string;
  readonly systemIdentifier: string;
  readonly epoch: number;
  readonly majorVersion: number;
}

export type VolumeFact =
  | { readonly kind: 'empty' }
  /** Initialising or cloning began and did not end. */
  | { readonly kind: 'unfinished' }
  | {
      readonly kind: 'data';
      readonly systemIdentifier: string;
      readonly majorVersion: number;
      readonly record: InstanceRecord | null;
      /** It was written by a replica (standby.signal is there). */
      readonly standby: boolean;
      readonly controlState: string;
      readonly timeline: number;
      readonly floors: Readonly<Record<string, number>>;
    }
  /** Something is there that cannot be understood. */
  | { readonly kind: 'unreadable'; readonly reason: string };

export type ServerFact =
  /** `exits` counts the ends that nobody asked for, since the server last answered. */
  | { readonly kind: 'stopped'; readonly exits: number; readonly stoppedForMs: number }
  /** The process is there and does not answer (yet). */
  | { readonly kind: 'silent'; readonly as: 'primary' | 'replica'; readonly silentForMs: number }
  | { readonly kind: 'answering'; readonly as: 'primary' | 'replica'; readonly state: InstanceState }
  /** Told to end, or ended by itself while processes of it may be left. */
  | { readonly kind: 'stopping'; readonly as: 'primary' | 'replica'; readonly mode: StopMode };

export interface WorkFact {
  readonly kind: 'initialize' | 'clone';
  /** Instance that is cloned; null when initialising. */
  readonly source: string | null;
  /** `43 %`; null when nothing is known. */
  readonly progress: string | null;
}

/** The three files that the agent writes whole. */
export interface SettingsFiles {
  readonly conf: string;
  readonly hba: string;
  readonly ident: string;
}

export type StopMode = 'ordered' | 'immediate';

/** Everything the agent can do. A new ability starts as a new line here. */
export type InstanceAction =
  | { readonly kind: 'createLease'; readonly epoch: number }
  | { readonly kind: 'initialize'; readonly topologyUid: string; readonly epoch: number }
  | {
      readonly kind: 'clone';
      readonly source: string;
      readonly host: string;
      readonly slot: string;
      readonly topologyUid: string;
      readonly systemIdentifier: string;
      readonly epoch: number;
    }
  | { readonly kind: 'abandonWork'; readonly reason: string }
  | { readonly kind: 'cloneAgain'; readonly reason: string }
  | { readonly kind: 'configure'; readonly files: SettingsFiles; readonly changed: readonly string[] }
  | { readonly kind: 'start'; readonly as: 'primary' | 'replica' }
  | { readonly kind: 'promote' }
  | {
      readonly kind: 'stop';
      readonly from: 'primary' | 'replica';
      readonly mode: StopMode;
      readonly reason: string;
    }
  | { readonly kind: 'healRoles' }
  | { readonly kind: 'createSlot'; readonly name: string }
  | { readonly kind: 'dropSlot'; readonly name: string }
  | { readonly kind: 'labelPod'; readonly role: 'primary' | 'replica' | null }
  | { readonly kind: 'writeRecord'; readonly record: InstanceRecord }
  | { readonly kind: 'finish' };

export interface InstancePlan {
  readonly phase: AgentPhase;
  /** One sentence for people; null when all is well. */
  readonly reason: string | null;
  /** Whether the Lease, which this instance holds, is to be renewed. */
  readonly renewLease: boolean;
  /** In this order. */
  readonly actions: readonly InstanceAction[];
}
