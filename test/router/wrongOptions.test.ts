// What an application may have got wrong in its options is told, all at once, and not taken for something else.

import { expect, test } from 'vitest';
import {
  createReplicaManager,
  type ReplicaManagerOptions,
  RoutedPool,
  RouterError,
  runInScope,
  type ScopeOptions,
  type StaticTopology,
  staticSource,
} from '../../src/router/index.ts';
import { readRouterOptions } from '../../src/router/routerOptions.ts';
import { createSources } from '../../src/router/sources/createSources.ts';

function refusal(attempt: () => unknown): readonly string[] {
  try {
    attempt();
  } catch (error) {
    if (error instanceof RouterError && error.code === 'RPG_CONFIG_INVALID') return error.message.split('; ');
    throw error;
  }
  return [];
}

/** As a caller without types may have it. */
const problemsOf = (options: object) => refusal(() => readRouterOptions(options as ReplicaManagerOptions));
const login = { username: 'app', password: 'hidden', database: 'shop' };

test.each([
  [{ consistency: 'bla' }, /^consistency must be eventual/],
  [{ consistency: { maxLagMs: -1 } }, /^consistency must be eventual/],
  [{ useReadReplicas: 'no' }, /^useReadReplicas must be true or false, not no$/],
  [{ behindPooler: 1 }, /^behindPooler must be true or false, not 1$/],
  [{ minPoolSize: -1 }, /^minPoolSize must be a whole number from 0 to poolSize \(10\), not -1$/],
  [{ endpointsFile: '' }, /^endpointsFile must be a text/],
  [{ sources: {} }, /^sources must be a list of sources$/],
  [{ credentials: { user: 'app' }, tls: 'off' }, /^credentials must have username, password and database/],
  [{ balancing: { strategy: 'random' } }, /^strategy must be one of/],
  [{ balancing: { tokenKeys: [''] } }, /^tokenKeys must be a list/],
  [{ balancing: { tokenKeys: 'abc' } }, /^tokenKeys must be a list/],
  [{ balancing: { tokenKeys: ['short'] } }, /^tokenKeys must be a list/],
  [{ balancing: { tokenKeys: [undefined] } }, /^tokenKeys must be a list/],
  [{ balancing: { stratgey: 'weighted' } }, /^balancing has no option stratgey/],
  [{ balancing: { fallback: { concurent: 1 } } }, /^balancing\.fallback has no option concurent/],
  [{ classification: { allowFunction: [] } }, /^classification has no option allowFunction/],
  [{ useReadReplica: false }, /^the replica manager has no option useReadReplica/],
])('%o is refused', (options, problem) => {
  expect(problemsOf(options)).toEqual([expect.stringMatching(problem)]);
});

test('a key of few characters and many bytes is long enough', () => {
  expect(problemsOf({ balancing: { tokenKeys: ['ключ-ключ'] } })).toEqual([]);
});

test('a pool refuses replicas without a host, the address of the primary and names that nobody reads, all at once', () => {
  const pool = (replicaManager: object) =>
    refusal(() => new RoutedPool({ host: 'primary-host', port: 5432, replicaManager }));
  expect(pool({ replicas: [{ hst: 'replica-host' }], useReadReplicas: 'no', consistency: 'bla' })).toEqual([
    expect.stringMatching(/^replicas\[0\] has no option hst/),
    expect.stringMatching(/^replicas\[0\]\.host must be a host/),
    expect.stringMatching(/^useReadReplicas must be/),
    expect.stringMatching(/^consistency must be/),
  ]);
  expect(pool({ replicas: [{ host: 'Primary-Host' }] })).toEqual([
    expect.stringMatching(/has the address of primary/),
  ]);
  expect(pool({ replicas: [{ host: 'replica-host' }], poolSize: 3 })).toEqual([
    expect.stringMatching(/^replicaManager has no option poolSize, use max/),
  ]);
  expect(pool({ replicas: 'replica-host' })).toEqual(['replicas must be a list of { host, port }']);
});

test('a call and a scope are held to the same', async () => {
  const it = new RoutedPool({
    host: '127.0.0.1',
    port: 1,
    replicaManager: { replicas: [{ host: '127.0.0.1', port: 2 }] },
  });
  const query = async (config: object) => it.query({ text: 'SELECT 1', ...config });
  await expect(query({ consistency: 'bla' })).rejects.toMatchObject({ code: 'RPG_CONFIG_INVALID' });
  await expect(query({ consistency: { maxLagMs: -1 } })).rejects.toMatchObject({
    code: 'RPG_CONFIG_INVALID',
  });
  await expect(query({ route: 'secondary' })).rejects.toMatchObject({
    code: 'RPG_CONFIG_INVALID',
    message: 'route must be primary or replica, not secondary',
  });
  await it.end();
  expect(refusal(() => runInScope({ consistency: 'bla' as 'strong' }, () => {}))).toHaveLength(1);
  expect(refusal(() => runInScope({ consitency: 'strong' } as ScopeOptions, () => {}))).toHaveLength(1);
});

test('fixed addresses take the login of the options, and without any they are refused', () => {
  const sources = [staticSource({ primary: { host: 'db-1' }, replicas: [{ host: 'db-2' }] })];
  expect(problemsOf({ sources, tls: 'off' })).toEqual([
    'primary.credentials of staticSource must be given, or the option credentials',
  ]);
  expect(refusal(() => createReplicaManager({ sources }))).toHaveLength(1);
  const [source] = createSources(readRouterOptions({ sources, tls: 'off', credentials: login }), () => 0);
  expect(source?.topology).toMatchObject({ credentials: login, document: { primary: { host: 'db-1' } } });
  const own = staticSource({ primary: { host: 'db-1', credentials: { ...login, username: 'own' } } });
  const [kept] = createSources(
    readRouterOptions({ sources: [own], tls: 'off', credentials: login }),
    () => 0,
  );
  expect(kept?.topology?.credentials.username).toBe('own');
});

test('names that fixed addresses do not have are refused', () => {
  const given = {
    primary: { hots: 'db-1', host: 'db-1' },
    replicas: [{ host: 'db-2', wieght: 1 }],
    replica: [],
  };
  expect(refusal(() => staticSource(given as StaticTopology))).toEqual([
    expect.stringMatching(/^staticSource has no option replica,/),
    expect.stringMatching(/^primary has no option hots,/),
    expect.stringMatching(/^replicas\[0\] has no option wieght,/),
  ]);
  expect(refusal(() => staticSource({} as StaticTopology))).toEqual([
    'primary must be an object, not undefined',
  ]);
});
