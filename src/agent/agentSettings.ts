// The agent's environment, read once. Everything else about the topology comes from the API server.

import { ports } from '../api/names.ts';

export interface AgentSettings {
  readonly topology: string;
  readonly namespace: string;
  readonly instance: string;
  readonly podName: string;
  readonly podUid: string;
  readonly places: AgentPlaces;
  readonly postgresPort: number;
  readonly agentPort: number;
  readonly listenAddresses: string;
  /** Searched in this order for the server's programs. */
  readonly programDirs: readonly string[];
  readonly searchPath: string;
  /** Null outside a cluster. */
  readonly apiServer: { readonly host: string; readonly port: string } | null;
}

/** Folders that the pod gives us. */
export interface AgentPlaces {
  /** The volume; PGDATA is a folder in it. */
  readonly volumeDir: string;
  /** tls.crt, tls.key, ca.crt. */
  readonly tlsDir: string;
  /** superuser/password, app/password, pooler/password. */
  readonly secretsDir: string;
  readonly socketDir: string;
  /** For files that live as long as one command. */
  readonly tmpDir: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws an error that names what is missing. */
export function readAgentSettings(env: Environment): AgentSettings {
  const searchPath = env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
  const host = env['KUBERNETES_SERVICE_HOST'];
  return {
    topology: required(env, 'RM_TOPOLOGY'),
    namespace: required(env, 'RM_NAMESPACE'),
    instance: required(env, 'RM_INSTANCE'),
    podName: required(env, 'RM_POD_NAME'),
    podUid: required(env, 'RM_POD_UID'),
    places: {
      volumeDir: env['RM_VOLUME_DIR'] ?? '/var/lib/postgresql/data',
      tlsDir: env['RM_TLS_DIR'] ?? '/etc/replica-manager/tls',
      secretsDir: env['RM_SECRETS_DIR'] ?? '/etc/replica-manager/secrets',
      socketDir: env['RM_SOCKET_DIR'] ?? '/var/run/postgresql',
      tmpDir: env['RM_TMP_DIR'] ?? '/tmp',
    },
    postgresPort: port(env, 'RM_POSTGRES_PORT', ports.postgres),
    agentPort: port(env, 'RM_AGENT_PORT', ports.agent),
    listenAddresses: env['RM_LISTEN_ADDRESSES'] ?? '*',
    programDirs: [env['PG_BIN'] ?? '', ...searchPath.split(':')].filter((dir) => dir !== ''),
    searchPath,
    apiServer: host === undefined ? null : { host, port: env['KUBERNETES_SERVICE_PORT'] ?? '443' },
  };
}

function required(env: Environment, name: string): string {
  const value = env[name];
  if (value === undefined || value === '') {
    throw new Error(`the environment variable ${name} is missing, the instance's pod template must set it`);
  }
  return value;
}

function port(env: Environment, name: string, otherwise: number): number {
  const value = Number(env[name] ?? otherwise);
  if (Number.isInteger(value) && value > 0 && value < 65_536) return value;
  throw new Error(`the environment variable ${name} is not a port number`);
}

export interface VolumePaths {
  readonly pgdata: string;
  /** Where initdb and pg_basebackup write until they have ended well. */
  readonly unfinished: string;
  /** The copy that a new clone replaces; kept until that clone is complete. */
  readonly old: string;
  readonly record: string;
}

export function volumePaths(places: AgentPlaces): VolumePaths {
  return {
    pgdata: `${places.volumeDir}/pgdata`,
    unfinished: `${places.volumeDir}/pgdata.new`,
    old: `${places.volumeDir}/pgdata.old`,
    record: `${places.volumeDir}/replica-manager.json`,
  };
}
