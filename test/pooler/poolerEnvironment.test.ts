import { expect, test } from 'vitest';
import { drainBounds } from '../../src/pooler/drainPgbouncer.ts';
import { readPoolerEnvironment } from '../../src/pooler/poolerEnvironment.ts';

const inPod = {
  RM_NAMESPACE: 'shop',
  RM_TOPOLOGY: 'orders',
  KUBERNETES_SERVICE_HOST: '10.96.0.1',
  KUBERNETES_SERVICE_PORT: '443',
};

test('each kind of pooler has a port of its own', () => {
  expect(readPoolerEnvironment('rw', inPod).settings.listenPort).toBe(6432);
  expect(readPoolerEnvironment('ro', inPod).settings.listenPort).toBe(6433);
});

test.each(Object.keys(inPod))('%s is asked for by name when it is missing', (name) => {
  expect(() => readPoolerEnvironment('rw', { ...inPod, [name]: '' })).toThrow(`${name} is not set, `);
});

test('a pooler that leaves is gone 5 s before the kubelet would kill it', () => {
  const { acceptMs, leaveMs, finishMs, dieMs } = drainBounds;
  expect(acceptMs + leaveMs + finishMs + dieMs).toBeLessThanOrEqual(25_000);
});
