// The guide's own examples, letter by letter, and what they leave open: what is not known must not look healthy.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  healthAnswer,
  infoAnswer,
  lagAnswer,
  poolStatsAnswer,
  statsAnswer,
  unknownLagSeconds,
} from '../../src/service/guideAnswers.ts';
import {
  emptyStatus,
  knownLag,
  managerStatus,
  primaryStatus,
  replicaStatus,
  unknownLag,
} from '../fixtures/managerStatus.ts';

const at = new Date('2024-11-07T10:00:00.480Z');
const guide = (name: string) =>
  readFileSync(new URL(`../fixtures/guide/${name}.json`, import.meta.url), 'utf8');
const text = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

test('the health of the guide’s topology is the guide’s example', () => {
  expect(text(healthAnswer(managerStatus(), at))).toBe(guide('health'));
});

test('the statistics are the guide’s example', () => {
  expect(text(statsAnswer(managerStatus()))).toBe(guide('stats'));
});

test('the lag is the guide’s example', () => {
  expect(text(lagAnswer(managerStatus(), at))).toBe(guide('lag'));
});

test('the pools are the guide’s example', () => {
  const replicas = [replicaStatus({ connections: { total: 30, idle: 22, waiting: 0 } })];
  expect(text(poolStatsAnswer(managerStatus({ replicas }), at))).toBe(guide('pool-stats'));
});

test('the database information is the guide’s example', () => {
  expect(text(infoAnswer(managerStatus(), true, at))).toBe(guide('info'));
});

test('one replica that does not answer makes the whole unhealthy', () => {
  const failed = { kind: 'failed', reason: 'connect ECONNREFUSED', ageMs: 10 } as const;
  const replicas = [replicaStatus({ name: 'a' }), replicaStatus({ name: 'b', observed: failed })];
  expect(healthAnswer(managerStatus({ replicas }), at)).toEqual({
    healthy: false,
    replicas: [
      { name: 'a', healthy: true },
      { name: 'b', healthy: false },
    ],
    timestamp: '2024-11-07T10:00:00Z',
  });
});

test('before a topology is known nothing is healthy and the lag is over every threshold', () => {
  const status = emptyStatus();
  expect(healthAnswer(status, at)).toMatchObject({ healthy: false, replicas: [] });
  expect(lagAnswer(status, at)).toMatchObject({ maxLag: unknownLagSeconds, avgLag: unknownLagSeconds });
  expect(infoAnswer(status, false, at)).toMatchObject({ primaryConnected: false, replicaCount: 0 });
});

test('an unknown lag is null for its replica and over every threshold in the sums', () => {
  const replicas = [replicaStatus({ name: 'a' }), replicaStatus({ name: 'b', lag: unknownLag() })];
  expect(lagAnswer(managerStatus({ replicas }), at)).toEqual({
    replicas: [
      { name: 'a', lagSeconds: 2, status: 'healthy' },
      { name: 'b', lagSeconds: null, status: 'unknown' },
    ],
    maxLag: unknownLagSeconds,
    avgLag: unknownLagSeconds,
    timestamp: '2024-11-07T10:00:00Z',
  });
});

test('without replicas nothing lags', () => {
  expect(lagAnswer(managerStatus({ replicas: [] }), at)).toMatchObject({ maxLag: 0, avgLag: 0 });
});

test('maximum and average are of all replicas', () => {
  const lags = [0.1, 1, 4];
  const replicas = lags.map((seconds, index) => replicaStatus({ name: `r${index}`, lag: knownLag(seconds) }));
  expect(lagAnswer(managerStatus({ replicas }), at)).toMatchObject({ maxLag: 4, avgLag: 1.7 });
});

test.each([
  ['healthy', {}],
  ['healthy', { observed: null }],
  ['unknown', { observed: null, connections: { total: 0, idle: 0, waiting: 0 } }],
  ['unhealthy', { observed: { kind: 'failed', reason: 'gone', ageMs: 0 } }],
  ['unhealthy', { verdict: { kind: 'resting', reason: 'gone' } }],
  ['lagging', { lag: knownLag(10.5), verdict: { kind: 'excluded', reason: 'lags' } }],
  ['lagging', { lag: knownLag(9), verdict: { kind: 'late', reason: 'has to stay below 5 s first' } }],
  ['lagging', { lag: unknownLag(11) }],
  ['lagging', { lag: knownLag(10.5) }],
  ['healthy', { lag: knownLag(10) }],
  ['excluded', { verdict: { kind: 'excluded', reason: 'has weight 0' } }],
] as const)('a replica is %s when it is %o', (status, differences) => {
  const replicas = [replicaStatus(differences)];
  expect(statsAnswer(managerStatus({ replicas })).replicas['read_replica']?.status).toBe(status);
});

test.each([
  [true, {}],
  [true, { observed: null }],
  [false, { observed: null, connections: { total: 0, idle: 0, waiting: 0 } }],
  [false, { observed: { kind: 'failed', reason: 'gone', ageMs: 0 } }],
] as const)('the primary is connected: %s, when it is %o', (isConnected, differences) => {
  const status = managerStatus({ primary: primaryStatus(differences) });
  expect(infoAnswer(status, true, at).primaryConnected).toBe(isConnected);
});

test('a primary that was demoted is not connected, although it answers', () => {
  const { observed } = replicaStatus();
  expect(infoAnswer(managerStatus({ primary: primaryStatus({ observed }) }), true, at)).toMatchObject({
    primaryConnected: false,
  });
});
