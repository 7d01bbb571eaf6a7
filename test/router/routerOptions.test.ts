import { expect, test } from 'vitest';
import { readRouterEnvironment } from '../../src/router/routerEnvironment.ts';
import { RouterError } from '../../src/router/routerError.ts';
import { readRouterOptions } from '../../src/router/routerOptions.ts';

function refusal(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof RouterError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'accepted';
}

test('without any options the mounts of a pod are used', () => {
  expect(readRouterOptions({})).toMatchObject({
    endpointsFile: '/etc/replica-manager/endpoints/endpoints.json',
    credentialsDir: '/etc/replica-manager/credentials',
    tls: 'verify-full',
    poolSize: 10,
  });
});

test('all that is wrong with the options is told at once', () => {
  const credentials = { username: 'app', password: 'hidden', database: 'shop' };
  expect(refusal(() => readRouterOptions({ poolSize: 0, connectTimeoutMs: 1.5, credentials }))).toBe(
    'RPG_CONFIG_INVALID: poolSize must be a whole number from 1 on, not 0; ' +
      'connectTimeoutMs must be a whole number from 1 on, not 1.5; ' +
      'credentials.ca must hold the certificate authority (PEM) when tls is verify-full',
  );
});

test.each([Number.NaN, -1, 1.5, 11])('a pool cannot keep at least %d connections open', (minPoolSize) => {
  expect(refusal(() => readRouterOptions({ tls: 'off', minPoolSize }))).toBe(
    `RPG_CONFIG_INVALID: minPoolSize must be a whole number from 0 to poolSize (10), not ${minPoolSize}`,
  );
});

test('keys of tokens are texts', () => {
  const tokenKeys = [Array.from({ length: 16 }, () => 'not a text') as unknown as string];
  expect(refusal(() => readRouterOptions({ tls: 'off', balancing: { tokenKeys } }))).toBe(
    'RPG_CONFIG_INVALID: tokenKeys must be a list of keys, each of 16 bytes or more',
  );
});

test('what is wrong with the reads is told at once, too', () => {
  const balancing = { strategy: 'random' as 'weighted', fallback: { concurrent: 0 } };
  expect(refusal(() => readRouterOptions({ tls: 'off', drainTimeoutMs: 0, balancing }))).toBe(
    'RPG_CONFIG_INVALID: drainTimeoutMs must be a whole number from 1 on, not 0; ' +
      'strategy must be one of round-robin, weighted, least-in-flight, peak-ewma, not random; ' +
      'fallback.concurrent must be a number from 1 to 9007199254740991, not 0',
  );
});

test('the environment configures what differs from a pod, and an empty variable is none', () => {
  expect(
    readRouterEnvironment({
      REPLICA_MANAGER_ENDPOINTS_FILE: '/run/endpoints.json',
      REPLICA_MANAGER_CREDENTIALS_DIR: '',
      REPLICA_MANAGER_TLS: 'off',
      REPLICA_MANAGER_POOL_SIZE: '25',
    }),
  ).toEqual({
    endpointsFile: '/run/endpoints.json',
    credentialsDir: undefined,
    tls: 'off',
    poolSize: 25,
    applicationName: undefined,
  });
});

test('all that is wrong with the environment is told at once', () => {
  const environment = { REPLICA_MANAGER_TLS: 'no', REPLICA_MANAGER_POOL_SIZE: 'many' };
  expect(refusal(() => readRouterEnvironment(environment))).toBe(
    'RPG_CONFIG_INVALID: REPLICA_MANAGER_TLS must be verify-full or off, not "no"; ' +
      'REPLICA_MANAGER_POOL_SIZE must be a whole number from 1 on, not "many"',
  );
});
