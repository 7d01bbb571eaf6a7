// What an agent answers on `GET /status` (mutual TLS, port 8008). The operator and other agents read it.

export type AgentPhase =
  | 'starting'
  | 'waiting' // for the Lease, the primary or a decision; `reason` says for what
  | 'initializing'
  | 'cloning'
  | 'startingPostgres'
  | 'running'
  | 'stopping'
  | 'stopped'
  | 'refused'; // the volume cannot be used; nothing was touched; `reason` says why

export interface AgentStatus {
  readonly version: 1;
  readonly instance: string;
  readonly podUid: string;
  readonly phase: AgentPhase;
  /** One sentence for people; null when all is well. */
  readonly reason: string | null;
  readonly role: 'primary' | 'replica' | 'unknown';
  readonly epoch: number;
  readonly systemIdentifier: string | null;
  readonly timeline: number | null;
  /** Written (primary) or received (replica) position, as `X/Y`. */
  readonly lsn: string | null;
  readonly replayedLsn: string | null;
  /** Names of parameters that take effect at the next restart. */
  readonly pendingRestart: readonly string[];
  /** The last error that PostgreSQL reported at FATAL or worse, with secrets left out. */
  readonly lastError: { readonly at: string; readonly message: string } | null;
}
