import type { PoolConfig } from 'pg';
import { type Log, silentLog } from '../lib/log.ts';
import { type ReadSettings, readDefaults } from './balance/readPlanner.ts';
import { findReadProblems } from './balance/readSettings.ts';
import type { ClassifierSettings } from './classify/classifier.ts';
import type { Consistency } from './consistency/consistency.ts';
import type { Credentials } from './credentialsDirectory.ts';
import { RouterError } from './routerError.ts';
import { lacksLogin } from './sources/staticSource.ts';
import type { TopologySource } from './sources/topologySource.ts';
import { findUnknownNames, type NamesOf } from './unknownNames.ts';

/** How a replica manager finds and treats its topology. Everything has a default for a pod with the usual mounts. */
export interface ReplicaManagerOptions {
  /** The mounted ConfigMap `<name>-endpoints`. Default: /etc/replica-manager/endpoints/endpoints.json */
  readonly endpointsFile?: string | undefined;
  /** The mounted Secret `<name>-app`. Default: /etc/replica-manager/credentials */
  readonly credentialsDir?: string | undefined;
  /** Stream of a Replica Manager service, `http://host:4000/endpoints/stream`, followed beside the file. */
  readonly endpointsUrl?: string | undefined;
  /** Where the topology comes from, instead of the file; the newest document of them counts. */
  readonly sources?: readonly TopologySource[] | undefined;
  /** Whether reads may go to replicas at all. Default: true */
  readonly useReadReplicas?: boolean | undefined;
  /** How often each instance is asked while no replica is read from; else at least every quarter of `maxLagSeconds`. Default: 30 s */
  readonly healthCheckIntervalMs?: number | undefined;
  /** Connections to each instance that stay open when they are idle. Default: 0 */
  readonly minPoolSize?: number | undefined;
  /** Where they differ for replicas. */
  readonly replicaConnectTimeoutMs?: number | undefined;
  readonly replicaStatementTimeoutMs?: number | undefined;
  /**
   * Whether poolers such as PgBouncer stand before the instances: these refuse settings at login that they do not know, so that the
   * library keeps the time of statements itself and has them cancelled. Default: false
   */
  readonly behindPooler?: boolean | undefined;
  /** Fixed credentials, instead of a folder of them. */
  readonly credentials?: Credentials | undefined;
  /** `verify-full` (default) checks chain and host name; `off` is for servers on the same machine. */
  readonly tls?: 'verify-full' | 'off' | undefined;
  /** As the server's statistics call this application. Default: replica-manager */
  readonly applicationName?: string | undefined;
  /** Most connections to each instance. Default: 10 */
  readonly poolSize?: number | undefined;
  /** Longest wait for a connection, new or from the pool. Default: 5 s */
  readonly connectTimeoutMs?: number | undefined;
  /** Longest run of one statement. Default: 60 s */
  readonly statementTimeoutMs?: number | undefined;
  /** An unused connection is closed after this. Default: 30 s */
  readonly idleTimeoutMs?: number | undefined;
  /** A connection is replaced after this. Default: 1 h */
  readonly maxLifetimeMs?: number | undefined;
  /** What still runs on an instance that has left the topology is closed after this. Default: 60 s */
  readonly drainTimeoutMs?: number | undefined;
  /** Longest wait of a statement for the first document and credentials. Default: 10 s */
  readonly firstDocumentTimeoutMs?: number | undefined;
  /**
   * Longest wait of a write that has provably not run, until a primary can take it. Default: 15 s where an operator promotes, 0 with
   * fixed addresses
   */
  readonly failoverTimeoutMs?: number | undefined;
  /** How old what reads see may be, unless a scope or a call asks for another. Default: `read-your-writes` */
  readonly consistency?: Consistency | undefined;
  /** How reads are spread over the replicas, and what happens when these are late. */
  readonly balancing?: Partial<Omit<ReadSettings, 'consistency'>> | undefined;
  /** What the text of a statement does not tell: which functions only read, what is refused. */
  readonly classification?: ClassifierSettings | undefined;
  /** Whether to read from the server, every five minutes, which functions and views only read. Default: false */
  readonly useCatalog?: boolean | undefined;
  /** Where changes and refusals are told. Default: nowhere */
  readonly log?: Log | undefined;
}

export type RouterSettings = Omit<
  { readonly [K in keyof ReplicaManagerOptions]-?: Exclude<ReplicaManagerOptions[K], undefined> },
  'credentials' | 'consistency' | 'balancing' | 'endpointsUrl' | 'failoverTimeoutMs'
> & {
  readonly credentials: Credentials | undefined;
  readonly endpointsUrl: string | undefined;
  readonly failoverTimeoutMs: number | undefined;
  readonly reads: ReadSettings;
  /** What an application gave for `pg.Pool`; undefined when it uses the options above. */
  readonly driver: PoolConfig | undefined;
};

const defaults = {
  endpointsFile: '/etc/replica-manager/endpoints/endpoints.json',
  credentialsDir: '/etc/replica-manager/credentials',
  tls: 'verify-full',
  applicationName: 'replica-manager',
  // Ten connections keep a server with the default max_connections (100) open for nine such processes.
  poolSize: 10,
  // A dead node answers nothing: this is what the first statement after its death waits before it moves on.
  connectTimeoutMs: 5_000,
  statementTimeoutMs: 60_000,
  idleTimeoutMs: 30_000,
  // As in the guide.
  healthCheckIntervalMs: 30_000,
  maxLifetimeMs: 3_600_000,
  // As long as a statement may run by default: whatever takes longer there is one that nobody has bounded.
  drainTimeoutMs: 60_000,
  // Longer than the mounts of a starting pod take, shorter than most callers' patience.
  firstDocumentTimeoutMs: 10_000,
} as const;

/** Longest delay that a timer of Node can hold; a longer one would fire at once. */
const maxDelayMs = 2 ** 31 - 1;

/** Fills in the defaults. Throws `RPG_CONFIG_INVALID` with everything that is wrong, and with what the caller knows to be. */
export function readRouterOptions(
  options: ReplicaManagerOptions,
  driver?: PoolConfig,
  knownProblems: readonly string[] = [],
): RouterSettings {
  const settings: RouterSettings = {
    endpointsFile: options.endpointsFile ?? defaults.endpointsFile,
    credentialsDir: options.credentialsDir ?? defaults.credentialsDir,
    credentials: options.credentials,
    tls: options.tls ?? defaults.tls,
    applicationName: options.applicationName ?? defaults.applicationName,
    endpointsUrl: options.endpointsUrl,
    sources: options.sources ?? [],
    useReadReplicas: options.useReadReplicas ?? true,
    behindPooler: options.behindPooler ?? false,
    poolSize: options.poolSize ?? defaults.poolSize,
    minPoolSize: options.minPoolSize ?? 0,
    healthCheckIntervalMs: options.healthCheckIntervalMs ?? defaults.healthCheckIntervalMs,
    connectTimeoutMs: options.connectTimeoutMs ?? defaults.connectTimeoutMs,
    statementTimeoutMs: options.statementTimeoutMs ?? defaults.statementTimeoutMs,
    replicaConnectTimeoutMs:
      options.replicaConnectTimeoutMs ?? options.connectTimeoutMs ?? defaults.connectTimeoutMs,
    replicaStatementTimeoutMs:
      options.replicaStatementTimeoutMs ?? options.statementTimeoutMs ?? defaults.statementTimeoutMs,
    idleTimeoutMs: options.idleTimeoutMs ?? defaults.idleTimeoutMs,
    maxLifetimeMs: options.maxLifetimeMs ?? defaults.maxLifetimeMs,
    drainTimeoutMs: options.drainTimeoutMs ?? defaults.drainTimeoutMs,
    firstDocumentTimeoutMs: options.firstDocumentTimeoutMs ?? defaults.firstDocumentTimeoutMs,
    failoverTimeoutMs: options.failoverTimeoutMs,
    log: options.log ?? silentLog,
    classification: options.classification ?? {},
    useCatalog: options.useCatalog ?? false,
    reads: {
      ...readDefaults,
      ...options.balancing,
      consistency: options.consistency ?? readDefaults.consistency,
    },
    driver,
  };
  const problems = [...knownProblems, ...findOptionProblems(options), ...findProblems(settings)];
  if (problems.length > 0) throw new RouterError('RPG_CONFIG_INVALID', problems.join('; '));
  return settings;
}

const optionNames: NamesOf<ReplicaManagerOptions> = {
  endpointsFile: true,
  credentialsDir: true,
  endpointsUrl: true,
  sources: true,
  useReadReplicas: true,
  healthCheckIntervalMs: true,
  minPoolSize: true,
  replicaConnectTimeoutMs: true,
  replicaStatementTimeoutMs: true,
  behindPooler: true,
  credentials: true,
  tls: true,
  applicationName: true,
  poolSize: true,
  connectTimeoutMs: true,
  statementTimeoutMs: true,
  idleTimeoutMs: true,
  maxLifetimeMs: true,
  drainTimeoutMs: true,
  failoverTimeoutMs: true,
  firstDocumentTimeoutMs: true,
  consistency: true,
  balancing: true,
  classification: true,
  useCatalog: true,
  log: true,
};

const classificationNames: NamesOf<ClassifierSettings> = {
  allowFunctions: true,
  denyFunctions: true,
  allowDenied: true,
  primaryRelations: true,
  standardConformingStrings: true,
  learned: true,
};

/** What an untyped caller may have got wrong, and what nobody reads. */
function findOptionProblems(options: ReplicaManagerOptions): string[] {
  const switches = ['useReadReplicas', 'behindPooler', 'useCatalog'] as const;
  const texts = ['endpointsFile', 'credentialsDir', 'endpointsUrl', 'applicationName'] as const;
  const { sources = [], credentials, classification = {} } = options;
  return [
    ...findUnknownNames(options, optionNames, 'the replica manager'),
    ...findUnknownNames(classification, classificationNames, 'classification'),
    ...switches.flatMap((name) =>
      ['boolean', 'undefined'].includes(typeof options[name])
        ? []
        : [`${name} must be true or false, not ${String(options[name])}`],
    ),
    ...texts.flatMap((name) =>
      options[name] === undefined || (typeof options[name] === 'string' && options[name] !== '')
        ? []
        : [`${name} must be a text that is not empty`],
    ),
    ...(Array.isArray(sources) ? [] : ['sources must be a list of sources']),
    ...(credentials === undefined || isLogin(credentials)
      ? []
      : ['credentials must have username, password and database, each a text']),
  ];
}

function isLogin(credentials: unknown): boolean {
  if (typeof credentials !== 'object' || credentials === null) return false;
  const { username, password, database } = credentials as Partial<Credentials>;
  return [username, password, database].every((text) => typeof text === 'string');
}

function findProblems(settings: RouterSettings): string[] {
  const problems: string[] = [];
  const counts = ['poolSize', 'connectTimeoutMs', 'statementTimeoutMs', 'idleTimeoutMs'] as const;
  const others = [
    'maxLifetimeMs',
    'firstDocumentTimeoutMs',
    'healthCheckIntervalMs',
    'drainTimeoutMs',
  ] as const;
  const ofReplicas = ['replicaConnectTimeoutMs', 'replicaStatementTimeoutMs'] as const;
  for (const name of [...counts, ...others, ...ofReplicas]) {
    const value = settings[name];
    // Told already, of the one that it is taken from.
    if (name === 'replicaConnectTimeoutMs' && value === settings.connectTimeoutMs) continue;
    if (name === 'replicaStatementTimeoutMs' && value === settings.statementTimeoutMs) continue;
    if (!Number.isInteger(value) || value < 1 || value > maxDelayMs - 60_000) {
      problems.push(`${name} must be a whole number from 1 on, not ${value}`);
    }
  }
  const { minPoolSize, poolSize } = settings;
  if (!Number.isInteger(minPoolSize) || minPoolSize < 0 || minPoolSize > poolSize) {
    problems.push(`minPoolSize must be a whole number from 0 to poolSize (${poolSize}), not ${minPoolSize}`);
  }
  problems.push(...findReadProblems(settings.reads));
  const { failoverTimeoutMs = 0 } = settings;
  if (!Number.isInteger(failoverTimeoutMs) || failoverTimeoutMs < 0 || failoverTimeoutMs > maxDelayMs) {
    problems.push(`failoverTimeoutMs must be a whole number from 0 on, not ${failoverTimeoutMs}`);
  }
  if (settings.tls !== 'verify-full' && settings.tls !== 'off') {
    problems.push(`tls must be verify-full or off, not ${String(settings.tls)}`);
  }
  const { credentials, sources, driver } = settings;
  const isLoginMissing = credentials === undefined && driver === undefined;
  if (isLoginMissing && Array.isArray(sources) && sources.some(lacksLogin)) {
    problems.push('primary.credentials of staticSource must be given, or the option credentials');
  }
  if (settings.tls === 'verify-full' && credentials !== undefined && !credentials.ca) {
    problems.push('credentials.ca must hold the certificate authority (PEM) when tls is verify-full');
  }
  return problems;
}
