import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { RouterError } from '../../../src/router/routerError.ts';
import { parseDurationMs } from '../../../src/router/sources/duration.ts';
import { environmentVariables } from '../../../src/router/sources/environmentVariables.ts';
import { readRouterEnvironment } from '../../../src/router/sources/routerEnvironment.ts';
import { credentialsOf } from '../../../src/router/sources/topologySource.ts';

/** The guide's own block of variables. */
const guide = {
  USE_READ_REPLICAS: 'true',
  DB_HOST: 'localhost',
  DB_PORT: '6432',
  DB_NAME: 'hospitality_platform',
  DB_USER: 'postgres',
  DB_PASSWORD: 'postgres',
  DB_MAX_CONNECTIONS: '100',
  DB_MIN_CONNECTIONS: '10',
  DB_MAX_IDLE_TIME: '10m',
  DB_MAX_LIFETIME: '1h',
  DB_CONNECTION_TIMEOUT: '30s',
  DB_QUERY_TIMEOUT: '60s',
  READ_REPLICA_CONNECTION_STRING: 'postgresql://postgres:postgres@localhost:6433/hospitality_platform',
  REPLICA_HEALTH_CHECK_INTERVAL: '30000',
  REPLICA_QUERY_TIMEOUT: '60s',
  REPLICA_CONNECTION_TIMEOUT: '30s',
};

function topologyOf(environment: Readonly<Record<string, string>>) {
  const topology = readRouterEnvironment(environment).sources?.[0]?.topology;
  if (topology === undefined) throw new Error('the environment names no addresses');
  return topology;
}

function refusal(environment: Readonly<Record<string, string>>): string[] {
  try {
    readRouterEnvironment(environment);
  } catch (error) {
    if (error instanceof RouterError && error.code === 'RPG_CONFIG_INVALID') return error.message.split('; ');
    throw error;
  }
  return [];
}

test("the guide's variables give a primary, a replica called read_replica, and the pool's settings", () => {
  const { sources, ...options } = readRouterEnvironment(guide);
  expect(options).toEqual({
    tls: 'off',
    useReadReplicas: true,
    behindPooler: true,
    poolSize: 100,
    minPoolSize: 10,
    applicationName: undefined,
    idleTimeoutMs: 600_000,
    maxLifetimeMs: 3_600_000,
    connectTimeoutMs: 30_000,
    statementTimeoutMs: 60_000,
    replicaConnectTimeoutMs: 30_000,
    replicaStatementTimeoutMs: 60_000,
    healthCheckIntervalMs: 30_000,
  });
  const login = { username: 'postgres', password: 'postgres', database: 'hospitality_platform' };
  const topology = sources?.[0]?.topology;
  expect([sources?.[0]?.origin, sources?.[0]?.problems, topology?.credentials]).toEqual([
    'environment',
    [],
    login,
  ]);
  expect(topology?.document).toMatchObject({
    topology: { namespace: 'static', name: 'hospitality_platform', systemIdentifier: null },
    epoch: 0,
    generation: 0,
    primary: { name: 'primary', host: 'localhost', port: 6432 },
    replicas: [
      { name: 'read_replica', host: 'localhost', port: 6433, weight: 1, routable: true, lagSeconds: null },
    ],
  });
});

test('several replicas come as a list, each with a login of its own, also when a password holds a comma', () => {
  const topology = topologyOf({
    ...guide,
    READ_REPLICA_CONNECTION_STRING:
      'postgres://reader:a,b%40c@replica-1/shop,\n postgresql://other:x@[fd00::1]:6433/else?sslmode=disable',
  });
  expect(topology.document.replicas.map(({ name, host, port }) => [name, host, port])).toEqual([
    ['read_replica', 'replica-1', 5432],
    ['read_replica_2', 'fd00::1', 6433],
  ]);
  expect(['primary', 'read_replica', 'read_replica_2'].map((name) => credentialsOf(topology, name))).toEqual([
    { username: 'postgres', password: 'postgres', database: 'hospitality_platform' },
    { username: 'reader', password: 'a,b@c', database: 'shop' },
    { username: 'other', password: 'x', database: 'else' },
  ]);
});

test('without USE_READ_REPLICAS there are no replicas, whatever the connection string says', () => {
  const { USE_READ_REPLICAS: _, ...without } = guide;
  expect(topologyOf(without).document.replicas).toEqual([]);
  expect(topologyOf({ ...guide, USE_READ_REPLICAS: 'false' }).document.replicas).toEqual([]);
});

test('replicas that are wanted and not named are told, while reads go to the primary', () => {
  const { READ_REPLICA_CONNECTION_STRING: _, ...without } = guide;
  expect(readRouterEnvironment(without).sources?.[0]?.problems).toEqual([
    'USE_READ_REPLICAS is true, but READ_REPLICA_CONNECTION_STRING names no replica: reads go to the primary',
  ]);
});

test('all mistakes are told at once, with what to do and without a password', () => {
  const found = refusal({
    USE_READ_REPLICAS: 'yes',
    DB_PORT: '65536',
    DB_PASSWORD: 'SECRET',
    DB_USER: 'app',
    PGSSLMODE: 'require',
    DB_MAX_CONNECTIONS: '5',
    DB_MIN_CONNECTIONS: '6',
    DB_QUERY_TIMEOUT: '60',
    DB_MAX_IDLE_TIME: '0',
    REPLICA_HEALTH_CHECK_INTERVAL: 'often',
    READ_REPLICA_CONNECTION_STRING: [
      'postgresql://u:SECRET@h',
      'postgresql://u:SECRET@h1,h2/db',
      'postgresql://u:SEC%RET@h/db',
      'postgresql://u:SECRET@h/db?target_session_attrs=any',
      'postgresql://u:SECRET@h/db?sslmode=require',
      'postgresql://:SECRET@h/db',
      'postgresql://u:SEC#RET@h/db',
    ].join(' '),
  });
  const nth = (index: number) =>
    `READ_REPLICA_CONNECTION_STRING, number ${index} of 7 (read_replica${index === 1 ? '' : `_${index}`}),`;
  expect(found).toEqual([
    'DB_HOST must be set when the addresses come from the environment',
    'DB_PORT must be a whole number from 1 to 65535, not "65536"',
    'DB_NAME must be set when the addresses come from the environment',
    'PGSSLMODE must be disable or verify-full, not "require"',
    'USE_READ_REPLICAS must be true or false, not "yes"',
    `${nth(1)} lacks the database, it must look like postgresql://user:password@host:port/database`,
    `${nth(2)} names several hosts, write one connection string for each replica, separated by commas`,
    `${nth(3)} holds a % that begins no percent-encoded character, write %25 for it`,
    `${nth(4)} has the parameter target_session_attrs, which is not supported: remove it`,
    `${nth(5)} has an sslmode other than disable, remove it and set PGSSLMODE, which is for all instances`,
    `${nth(6)} lacks the user, it must look like postgresql://user:password@host:port/database`,
    `${nth(7)} must look like postgresql://user:password@host:port/database, with special characters of the password percent-encoded`,
    'DB_MIN_CONNECTIONS must be at most DB_MAX_CONNECTIONS (5), not "6"',
    'DB_MAX_IDLE_TIME must be a duration such as 500ms, 60s, 10m or 1h30m, up to 24 days, not "0"',
    'DB_QUERY_TIMEOUT must be a duration such as 500ms, 60s, 10m or 1h30m, up to 24 days, not "60", write 60s or 60ms',
    'REPLICA_HEALTH_CHECK_INTERVAL must be a number of milliseconds such as 30000, not "often"',
  ]);
  expect(found.join()).not.toMatch(/SEC/);
});

test.each([
  [
    'not a URL',
    { READ_REPLICA_CONNECTION_STRING: 'host=h password=SECRET' },
    'READ_REPLICA_CONNECTION_STRING must look like postgresql://user:password@host:port/database',
  ],
  [
    'the address of the primary',
    { READ_REPLICA_CONNECTION_STRING: 'postgresql://u:SECRET@localhost:6432/db' },
    'READ_REPLICA_CONNECTION_STRING: read_replica has the address of primary (localhost:6432), name it only once',
  ],
  [
    'a socket folder as host',
    { DB_HOST: '/run/postgresql' },
    'DB_HOST: expected a host name or an IP address, found "/run/postgresql"',
  ],
  [
    'an authority that is not there',
    { PGSSLMODE: 'verify-full', PGSSLROOTCERT: '/nowhere' },
    "PGSSLROOTCERT must be the path of a readable file: ENOENT: no such file or directory, open '/nowhere'",
  ],
  [
    'a stream that is no URL',
    { REPLICA_MANAGER_ENDPOINTS_URL: 'service:4000' },
    'REPLICA_MANAGER_ENDPOINTS_URL must look like http://host:4000/endpoints/stream',
  ],
])('%s is refused, with the variable to mend', (_, differences, reason) => {
  expect(refusal({ ...guide, ...differences })).toEqual([reason]);
});

test('a file or a stream that the environment names wins over its addresses, and keeps the settings of the pool', () => {
  const environment = { ...guide, REPLICA_MANAGER_ENDPOINTS_FILE: '/run/endpoints.json' };
  expect(readRouterEnvironment(environment)).toMatchObject({
    endpointsFile: '/run/endpoints.json',
    tls: 'verify-full',
    poolSize: 100,
    statementTimeoutMs: 60_000,
  });
  expect(readRouterEnvironment(environment).sources).toBeUndefined();
  const url = 'http://service:4000/endpoints/stream';
  const origins = (more: Readonly<Record<string, string>>) =>
    readRouterEnvironment({ ...more, REPLICA_MANAGER_ENDPOINTS_URL: url }).sources?.map(
      ({ origin }) => origin,
    );
  expect(origins(guide)).toEqual([url]);
  expect(origins(environment)).toEqual([url, 'file /run/endpoints.json']);
});

test('REPLICA_MANAGER_TLS and PGSSLMODE both switch TLS on, and the replica gets the same authorities', () => {
  expect(readRouterEnvironment({ ...guide, REPLICA_MANAGER_TLS: 'verify-full' }).tls).toBe('verify-full');
  const environment = { ...guide, PGSSLMODE: 'verify-full', PGSSLROOTCERT: 'package.json' };
  const ca = readFileSync('package.json', 'utf8');
  const topology = topologyOf(environment);
  expect(['primary', 'read_replica'].map((name) => credentialsOf(topology, name).ca)).toEqual([ca, ca]);
});

test.each([
  ['10m', 600_000],
  ['1h30m', 5_400_000],
  ['60s', 60_000],
  ['500ms', 500],
  ['1.5h', 5_400_000],
  ['.5s', 500],
  ['100ns', 1],
  ['0s', 0],
  ['', undefined],
  ['60', undefined],
  ['m', undefined],
  ['-5s', undefined],
  ['5 s', undefined],
  ['5d', undefined],
])('the duration "%s" is %s ms', (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms);
});

test('the reference names every variable with its unit and default, and no other', () => {
  const rows = readFileSync('docs/reference/environment.md', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  expect(rows).toEqual(
    Object.entries(environmentVariables).map(
      ([name, variable]) =>
        `| \`${name}\` | ${variable.unit} | ${'default' in variable ? (variable.default ?? '–') : '–'} | ${variable.meaning} |`,
    ),
  );
});
