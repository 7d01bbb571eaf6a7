import { expect, test } from 'vitest';
import type { InstanceStatus, ReplicatedPostgresStatus } from '../../src/api/replicatedPostgresStatus.ts';
import { statusSchema } from '../../src/api/replicatedPostgresStatus.ts';
import type { EndpointsDocument } from '../../src/endpoints/endpointsDocument.ts';
import { planEvents } from '../../src/plan/events.ts';
import { invalidStatus, isWorthWriting, planStatus, type StatusFacts } from '../../src/plan/status.ts';
import { systemIdentifier, wallTime } from '../fixtures/observed.ts';

const document = { epoch: 3, generation: 9, timeline: 2, primary: { name: 'orders-1' } } as EndpointsDocument;
const primary: InstanceStatus = {
  name: 'orders-1',
  role: 'primary',
  ready: true,
  routable: false,
  promotable: false,
  receivedLsn: '0/9',
};
const replica = (name: string, changes: Partial<InstanceStatus> = {}): InstanceStatus => ({
  name,
  role: 'replica',
  ready: true,
  routable: true,
  promotable: true,
  receiver: 'streaming',
  lagSeconds: 0,
  lagBytes: 0,
  ...changes,
});
const facts = (changes: Partial<StatusFacts> = {}): StatusFacts => ({
  topology: 'orders',
  generation: 4,
  wallTime,
  previous: undefined,
  wanted: 3,
  instances: [primary, replica('orders-2'), replica('orders-3')],
  existing: 3,
  document,
  systemIdentifier,
  poolers: { readWrite: { wanted: 2, available: 1 }, readOnly: { wanted: 2, available: 2 } },
  wantedPoolers: { readWrite: 2, readOnly: 2 },
  routing: { generation: 9, problem: undefined },
  obstacle: undefined,
  ...changes,
});
const down = (name: string, reason: string) =>
  ({
    name,
    role: 'replica',
    ready: false,
    routable: false,
    promotable: false,
    receiver: 'unknown',
    reason,
  }) as const;
const well = planStatus(facts());
const conditionsOf = ({ conditions = [] }: ReplicatedPostgresStatus) =>
  Object.fromEntries(conditions.map((it) => [it.type, `${it.status} ${it.reason}`]));

test('a topology that is well says so in every field that people read', () => {
  expect(well).toMatchObject({
    phase: 'Ready',
    primary: { name: 'orders-1', epoch: 3, timeline: 2, lsn: '0/9', since: wallTime },
    routing: { configMap: 'orders-endpoints', generation: 9 },
    replicas: 3,
    readyInstances: 3,
    routableReplicas: 2,
    readySummary: '3/3',
    maxLag: '0s',
    selector: 'replica-manager.io/topology=orders,app.kubernetes.io/component=instance',
    systemIdentifier,
    observedGeneration: 4,
  });
  expect(conditionsOf(well)).toEqual({
    Ready: 'True AllInstancesReady',
    SpecValid: 'True Valid',
    PrimaryAvailable: 'True PrimaryAnswers',
    ReplicationHealthy: 'True AllReplicasStreaming',
    RoutingPublished: 'True Published',
    PoolersAvailable: 'True PodsAvailable',
    PendingRestart: 'False NothingPending',
    Progressing: 'False Settled',
  });
});

test('what is written fits the schema', () => {
  const reasons = [planStatus(facts({ instances: [primary, down('orders-2', 'does not answer')] })), well];

  for (const status of [...reasons, invalidStatus(well, ['no'], { wallTime, generation: 5 })]) {
    expect(statusSchema.safeParse(JSON.parse(JSON.stringify(status))).error).toBeUndefined();
  }
});

test('a new topology is provisioning until all of it has been ready once', () => {
  const instances = [primary, down('orders-2', 'is cloning')];
  const first = planStatus(facts({ instances }));
  const second = planStatus(facts({ instances, previous: first }));

  expect([first.phase, second.phase]).toEqual(['Provisioning', 'Provisioning']);
});

test('a topology that has lost an instance is degraded, one that grows is not', () => {
  const lost = planStatus(
    facts({ previous: well, instances: [primary, replica('orders-2'), down('orders-3', 'is gone')] }),
  );
  const instances = [primary, replica('orders-2'), replica('orders-3'), down('orders-4', 'has no pod')];

  expect(lost.phase).toBe('Degraded');
  expect(conditionsOf(lost)).toMatchObject({
    Ready: 'False InstancesNotReady',
    ReplicationHealthy: 'False ReplicasNotStreaming',
  });
  expect(planStatus(facts({ previous: well, instances, wanted: 4 })).phase).toBe('Provisioning');
});

test('a condition keeps its time while its status is the same, and gets a new one when it changes', () => {
  const later = { wallTime: '2026-11-23T11:00:00.000Z', previous: well };
  const lost = planStatus(
    facts({ ...later, instances: [primary, replica('orders-2'), down('orders-3', 'is gone')] }),
  );
  const times = Object.fromEntries(lost.conditions?.map((it) => [it.type, it.lastTransitionTime]) ?? []);

  expect(times).toMatchObject({ Ready: later.wallTime, PrimaryAvailable: wallTime });
  expect(planStatus(facts(later)).conditions).toEqual(well.conditions);
});

test('a primary is primary since the moment it was first seen at its epoch', () => {
  const later = { wallTime: '2026-11-23T11:00:00.000Z', previous: well };

  expect(planStatus(facts(later)).primary?.since).toBe(wallTime);
  expect(planStatus(facts({ ...later, document: { ...document, epoch: 4 } })).primary?.since).toBe(
    later.wallTime,
  );
});

test('the largest lag is unknown as soon as one is, and left out without replicas', () => {
  const maxLag = (...lags: (number | undefined)[]) =>
    planStatus(
      facts({
        instances: [
          primary,
          ...lags.map(
            (lagSeconds, index) => ({ ...replica(`orders-${index + 2}`), lagSeconds }) as InstanceStatus,
          ),
        ],
      }),
    ).maxLag;

  expect([maxLag(0, 2.5), maxLag(0, undefined), maxLag()]).toEqual(['2.5s', 'unknown', undefined]);
});

test('another lag is worth a write after five seconds, an unknown one at once, a position never', () => {
  const with2 = (changes: Partial<InstanceStatus>) =>
    planStatus(
      facts({ previous: well, instances: [primary, replica('orders-2', changes), replica('orders-3')] }),
    );
  const unknown = planStatus(
    facts({
      previous: well,
      instances: [
        primary,
        { ...down('orders-2', 'x'), ready: true, routable: true, promotable: true },
        replica('orders-3'),
      ],
    }),
  );

  expect(isWorthWriting(well, with2({ lagSeconds: 3 }), 4_999)).toBe(false);
  expect(isWorthWriting(well, with2({ lagSeconds: 3 }), 5_000)).toBe(true);
  expect(isWorthWriting(well, with2({ receivedLsn: '0/99', measuredAt: 'later' }), Infinity)).toBe(false);
  expect(isWorthWriting(well, with2({ routable: false }), 0)).toBe(true);
  expect(isWorthWriting(well, unknown, 0)).toBe(true);
});

test('events tell each transition once', () => {
  const lost = planStatus(
    facts({ previous: well, instances: [primary, replica('orders-2'), down('orders-3', 'does not answer')] }),
  );
  const told = (before: ReplicatedPostgresStatus | undefined, now: ReplicatedPostgresStatus) =>
    planEvents(before, now).map((it) => `${it.reason}: ${it.message}`);

  expect(told(undefined, well)).toEqual([
    'PrimaryElected: orders-1 is primary since epoch 3',
    'InstanceReady: orders-1 answers',
    'InstanceReady: orders-2 answers',
    'ReplicaRoutable: orders-2 serves reads',
    'InstanceReady: orders-3 answers',
    'ReplicaRoutable: orders-3 serves reads',
    'Ready: all instances answer and replicate',
  ]);
  expect(told(well, well)).toEqual([]);
  expect(told(well, lost)).toEqual([
    'InstanceNotReady: orders-3: does not answer',
    'ReplicaNotRoutable: orders-3 no longer serves reads: does not answer',
  ]);
});

test('settings that wait for a restart are named in their condition', () => {
  const waiting = replica('orders-2', { pendingRestart: ['max_connections'] });
  const { conditions } = planStatus(facts({ instances: [primary, waiting, replica('orders-3')] }));

  expect(conditions?.find((it) => it.type === 'PendingRestart')).toMatchObject({
    status: 'True',
    message: 'max_connections take effect when orders-2 restart',
  });
});

test('a pod that is out of date is named in the same condition, with what to do', () => {
  const instances = [
    primary,
    replica('orders-2', { pendingRestart: ['max_connections', 'pod template'] }),
    replica('orders-3', { pendingRestart: ['pod template', 'service account'] }),
  ];
  const { conditions } = planStatus(facts({ instances }));

  expect(conditions?.find((it) => it.type === 'PendingRestart')).toMatchObject({
    status: 'True',
    message: [
      'max_connections take effect when orders-2 restart',
      'the pod template of orders-2, orders-3 has changed, delete the pod to take the change over',
      'the service account of orders-3 has changed, delete the pod to take the change over',
    ].join('; '),
  });
});
