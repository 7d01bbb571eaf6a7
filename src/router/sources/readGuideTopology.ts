// The addresses and logins of the guide's variables: one primary, and as many replicas as the connection string names.

import { readFileSync } from 'node:fs';
import { messageOf } from '../judgeFailure.ts';
import { RouterError } from '../routerError.ts';
import { parseConnectionString, splitConnectionStrings } from './connectionString.ts';
import { replicaName, type StaticInstance, staticSource } from './staticSource.ts';
import type { TopologySource } from './topologySource.ts';
import type { VariableReader } from './variableReader.ts';

export interface GuideTopology {
  /** Undefined when something is wrong, which the reader of the variables knows. */
  readonly source: TopologySource | undefined;
  readonly tls: 'verify-full' | 'off';
  readonly useReadReplicas: boolean;
}

export function readGuideTopology(read: VariableReader): GuideTopology {
  const why = 'when the addresses come from the environment';
  const host = read.needed('DB_HOST', why);
  const port = read.count('DB_PORT', 1, 65_535);
  const database = read.needed('DB_NAME', why);
  const username = read.needed('DB_USER', why);
  const password = read.text('DB_PASSWORD') ?? '';
  const tls = readTls(read);
  const ca = tls === 'verify-full' ? readAuthorities(read) : undefined;
  const useReadReplicas = read.flag('USE_READ_REPLICAS') ?? false;
  const named = readReplicas(read, tls, ca);
  const primary = { host: bareHost(host), port, credentials: { username, password, database, ca } };
  if (read.problems.length > 0) return { source: undefined, tls, useReadReplicas };
  const remarks =
    useReadReplicas && named.length === 0
      ? [
          'USE_READ_REPLICAS is true, but READ_REPLICA_CONNECTION_STRING names no replica: reads go to the primary',
        ]
      : [];
  const replicas = useReadReplicas ? named : [];
  try {
    const source = staticSource({ origin: 'environment', name: database, primary, replicas, remarks });
    return { source, tls, useReadReplicas };
  } catch (error) {
    if (!(error instanceof RouterError)) throw error;
    read.problems.push(withVariables(error.message));
    return { source: undefined, tls, useReadReplicas };
  }
}

function readTls(read: VariableReader): 'verify-full' | 'off' {
  const own = read.oneOf('REPLICA_MANAGER_TLS', ['verify-full', 'off']);
  const sslmode = read.oneOf('PGSSLMODE', ['disable', 'verify-full']);
  return own ?? (sslmode === 'verify-full' ? 'verify-full' : 'off');
}

function readAuthorities(read: VariableReader): string | undefined {
  const path = read.text('PGSSLROOTCERT');
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    read.problems.push(`PGSSLROOTCERT must be the path of a readable file: ${messageOf(error)}`);
    return undefined;
  }
}

function readReplicas(
  read: VariableReader,
  tls: 'verify-full' | 'off',
  ca: string | undefined,
): readonly StaticInstance[] {
  const text = read.text('READ_REPLICA_CONNECTION_STRING');
  if (text === undefined) return [];
  const urls = splitConnectionStrings(text);
  const about = (index: number) =>
    urls.length === 1 ? '' : `, number ${index + 1} of ${urls.length} (${replicaName(index)}),`;
  return urls.flatMap((url, index) => {
    const variable = `READ_REPLICA_CONNECTION_STRING${about(index)}`;
    const parsed = parseConnectionString(url);
    if (parsed.kind === 'wrong') {
      read.problems.push(`${variable} ${parsed.mend}`);
      return [];
    }
    const { host, port, credentials, sslmode } = parsed.value;
    const expected = tls === 'off' ? 'disable' : 'verify-full';
    if (sslmode !== undefined && sslmode !== expected) {
      read.problems.push(
        `${variable} has an sslmode other than ${expected}, remove it and set PGSSLMODE, which is for all instances`,
      );
    }
    return [{ name: replicaName(index), host, port, credentials: { ...credentials, ca } }];
  });
}

/** An IPv6 address may come in brackets. */
function bareHost(host: string): string {
  return host.replace(/^\[([0-9a-fA-F:]+)\]$/, '$1');
}

/** Says which variable holds the field that a message is about. */
function withVariables(message: string): string {
  return message
    .replace('addresses: primary.host:', 'DB_HOST:')
    .replace('addresses: topology.name:', 'DB_NAME:')
    .replace(/addresses: replicas\[(\d+)\]\.host:/, (_, index: string) => {
      return `READ_REPLICA_CONNECTION_STRING (${replicaName(Number(index))}), host:`;
    })
    .replace(/^(read_replica\S* has the address of)/, 'READ_REPLICA_CONNECTION_STRING: $1');
}
