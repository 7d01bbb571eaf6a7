import { expect, test } from 'vitest';
import { parseLsn } from '../../src/postgres/lsn.ts';
import type { Lag } from '../../src/router/consistency/lagView.ts';
import { findPrimary } from '../../src/router/findPrimary.ts';
import { describeStatus, type StatusFacts } from '../../src/router/routerStatus.ts';
import { endpointsDocument } from '../fixtures/endpointsDocument.ts';
import { sourceStatus } from '../fixtures/managerStatus.ts';

const counts = { total: 3, idle: 2, waiting: 0 };
const facts = (differences: Partial<StatusFacts> = {}): StatusFacts => ({
  document: endpointsDocument(),
  problems: [],
  health: new Map(),
  nowMs: 10_000,
  countsOf: () => counts,
  ...differences,
});

const answered = {
  kind: 'answered',
  role: 'replica',
  systemIdentifier: '7421000000000000001',
  timeline: 5,
  lsn: parseLsn('16/B374D848'),
  isStreaming: true,
  serverVersion: 170004,
} as const;

test('without any observation everything that would have to be measured is unknown', () => {
  const { primary, replicas, counters, sources, currentReplicaIndex } = describeStatus(facts());
  expect({ primary, first: replicas[0], counters, sources, currentReplicaIndex }).toEqual({
    primary: expect.objectContaining({ name: 'orders-1', role: 'primary', observed: null }),
    first: {
      name: 'orders-2',
      host: 'orders-2-0.orders-instances.shop.svc',
      port: 5432,
      zone: null,
      role: 'replica',
      observed: null,
      connections: counts,
      weight: 1,
      lag: { seconds: null, bytes: null, atLeastSeconds: 0, reason: 'has not been observed' },
      verdict: { kind: 'serving' },
    },
    counters: {
      reads: null,
      writes: null,
      fallbacks: null,
      keptOnPrimary: null,
      retries: null,
      denied: null,
      learned: null,
      ignoredTokens: null,
    },
    sources: [],
    currentReplicaIndex: null,
  });
});

test('what was published is told beside what the instances say since', () => {
  const published = endpointsDocument();
  const document = { ...published, primary: null };
  const told = describeStatus(facts({ document, published }));
  expect([told.document, told.published]).toEqual([document, published]);
  expect(describeStatus(facts({ document })).published).toEqual(document);
});

test('before the first document there is nothing, but the problems and the sources are told', () => {
  const source = sourceStatus({ origin: 'file /nowhere', problems: ['does not exist'] });
  const status = describeStatus(
    facts({ document: undefined, problems: source.problems, sources: [source], nextReplica: 'orders-2' }),
  );
  expect(status).toMatchObject({
    topology: null,
    epoch: null,
    primary: null,
    replicas: [],
    document: null,
    published: null,
    areReplicasEnabled: false,
    currentReplicaIndex: null,
    sources: [source],
  });
});

test('what an instance answered, or that it did not, is told with its age', () => {
  const seen = { startedAtMs: 9_000, endedAtMs: 9_750 };
  const observations = new Map([
    ['orders-2', { ...seen, instance: 'orders-2', probe: answered }],
    ['orders-3', { ...seen, instance: 'orders-3', probe: { kind: 'failed', reason: 'gone' } as const }],
  ]);
  const { replicas } = describeStatus(facts({ observations }));
  expect(replicas.map(({ observed }) => observed)).toEqual([
    {
      kind: 'answered',
      role: 'replica',
      timeline: 5,
      lsn: '16/B374D848',
      isStreaming: true,
      serverVersion: 170004,
      ageMs: 250,
    },
    { kind: 'failed', reason: 'gone', ageMs: 250 },
  ]);
});

test('the replica of the next read is told by its place', () => {
  const indexes = ['orders-3', 'orders-9', undefined].map(
    (nextReplica) => describeStatus(facts({ nextReplica })).currentReplicaIndex,
  );
  expect(indexes).toEqual([1, null, null]);
});

test('a source is as old as its last word, and in use when the document is its', () => {
  const topology = {
    document: endpointsDocument(),
    credentials: { username: 'a', password: 'b', database: 'c' },
  };
  const older = { ...topology, document: endpointsDocument({ generation: 40 }) };
  const source = { origin: 'environment', problems: [], topology, confirmedAtMs: 7_500 };
  const sources = [
    source,
    { ...source, topology: older },
    { ...source, topology: undefined, confirmedAtMs: undefined },
  ];
  const told = { origin: 'environment', problems: [], epoch: 12, generation: 41, ageMs: 2_500 };
  expect(describeStatus(facts({ sources })).sources).toEqual([
    { ...told, isInUse: true },
    { ...told, isInUse: false, generation: 40 },
    { ...told, isInUse: false, epoch: null, generation: null, ageMs: null },
  ]);
});

test('a promoted replica is the primary, and the former primary is a replica that takes no reads yet', () => {
  const document = endpointsDocument();
  const seen = { startedAtMs: 9_000, endedAtMs: 9_750 };
  const observations = new Map([
    [
      'orders-2',
      { ...seen, instance: 'orders-2', probe: { ...answered, role: 'primary', timeline: 6 } as const },
    ],
  ]);
  const found = findPrimary(document, observations);
  const status = describeStatus(facts({ document, observations, found }));
  expect(status).toMatchObject({ timeline: 6, primaryReason: found.reason, primary: { name: 'orders-2' } });
  expect(status.replicas.map(({ name, verdict }) => [name, verdict.kind])).toEqual([
    ['orders-3', 'serving'],
    ['orders-1', 'excluded'],
  ]);
  expect(status.document).toBe(document);
});

const lagView = (lag: Lag): StatusFacts['lagView'] => ({
  primary: null,
  replicas: new Map([['orders-2', { lag, lateReason: 'lags by 12 s', failedProbes: 0 } as never]]),
});

test.each<[Lag, object]>([
  [
    { kind: 'known', ms: 2_500, bytes: 7 },
    { seconds: 2.5, bytes: 7, atLeastSeconds: 2.5, reason: null },
  ],
  [
    { kind: 'unknown', reason: 'the primary does not answer', atLeastMs: 4_000, bytes: null },
    { seconds: null, bytes: null, atLeastSeconds: 4, reason: 'the primary does not answer' },
  ],
])('a lag that is %o becomes %o, and what was found late is late', (lag, told) => {
  const [replica] = describeStatus(facts({ lagView: lagView(lag) })).replicas;
  expect([replica?.lag, replica?.verdict]).toEqual([told, { kind: 'late', reason: 'lags by 12 s' }]);
});
