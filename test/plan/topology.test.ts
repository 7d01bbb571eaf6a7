import { expect, test } from 'vitest';
import type { ReplicatedPostgresStatus } from '../../src/api/replicatedPostgresStatus.ts';
import type { EndpointsDocument } from '../../src/endpoints/endpointsDocument.ts';
import type { Action } from '../../src/plan/action.ts';
import type { InstanceFacts, Manifest, Observed } from '../../src/plan/observed.ts';
import { initialReadsVerdict } from '../../src/plan/reads.ts';
import { planTopology } from '../../src/plan/topology.ts';
import {
  claim,
  config,
  late,
  lease,
  manifest,
  observed,
  pod,
  primary,
  probe,
  replica,
  streaming,
  tools,
  topology,
  wallTime,
} from '../fixtures/observed.ts';

/** Actions as one line each. */
function lines(actions: readonly Action[]): readonly string[] {
  const line = (action: Action): string => {
    switch (action.kind) {
      case 'applyObject':
      case 'deleteObject':
        return `${action.kind} ${action.object.kind}/${action.object.metadata.name}`;
      case 'labelRoutable':
        return `labelRoutable ${action.pod} ${action.isRoutable}`;
      case 'recordEvent':
        return `${action.event.reason}: ${action.event.message}`;
      case 'deleteClaim':
      case 'labelClaim':
      case 'ownClaim':
      case 'growClaim':
        return `${action.kind} ${action.name}`;
      case 'applyStatus':
      case 'forgetTopology':
      case 'rememberFarewell':
      case 'renewCredentials':
        return action.kind;
    }
  };
  return actions.map(line);
}

const plan = (changes: Partial<Observed> = {}) => planTopology(observed(changes), tools);
const statusOf = (actions: readonly Action[]): ReplicatedPostgresStatus | undefined =>
  actions.find((it) => it.kind === 'applyStatus')?.status;
const documentOf = (actions: readonly Action[]): EndpointsDocument | undefined => {
  const found = actions.find(
    (it) => it.kind === 'applyObject' && it.object.metadata.name === 'orders-endpoints',
  );
  return found?.kind === 'applyObject'
    ? (found.object as Manifest & { content: EndpointsDocument }).content
    : undefined;
};

/** The facts after everything that a first cycle does has been done. */
function settled(spec: Record<string, unknown> = {}): Observed {
  const start = observed({ resource: { kind: 'valid', isDeleting: false, topology: topology(spec) } });
  const { actions } = planTopology(start, tools);
  const status = statusOf(actions);
  const endpoints = documentOf(actions);
  if (status === undefined || endpoints === undefined) throw new Error('a first cycle writes both');
  return {
    ...start,
    resource: { kind: 'valid', isDeleting: false, topology: topology(spec, status) },
    endpoints,
    live: actions.flatMap((it) => (it.kind === 'applyObject' ? [it.object] : [])),
  };
}
const next = (changes: Partial<Observed>, spec: Record<string, unknown> = {}) =>
  planTopology({ ...settled(spec), ...changes }, tools);

test('credentials come first, because everything else is built with them', () => {
  expect(plan({ credentials: 'missing' })).toEqual({
    actions: [{ kind: 'renewCredentials' }],
    outcome: { kind: 'again', afterMs: 1 },
    summary: 'needs passwords and certificates first',
  });
});

test('a topology that is well and settled causes no write', () => {
  expect(next({})).toEqual({
    actions: [],
    outcome: { kind: 'settled' },
    summary: 'orders-1 is primary, 3/3 are ready, 2 serve reads',
  });
});

test('positions and times of measurement alone cause no write', () => {
  const moved = {
    kind: 'measured',
    probe: probe({ receivedLsn: 99n as never }),
    measuredAt: 'later',
  } as const;
  const { instances } = observed();

  expect(next({ instances: [primary('orders-1', { probe: moved }), ...instances.slice(1)] }).actions).toEqual(
    [],
  );
});

test('a lag that has changed is written, but not within five seconds of the last write', () => {
  const instances = [
    primary('orders-1'),
    replica('orders-2', { lag: { seconds: 1.24, bytes: 7 } }),
    replica('orders-3'),
  ];

  expect(lines(next({ instances, statusAgeMs: 4_999 }).actions)).toEqual([]);
  expect(lines(next({ instances, statusAgeMs: 5_000 }).actions)).toEqual(['applyStatus']);
  expect(statusOf(next({ instances }).actions)).toMatchObject({ maxLag: '1.2s' });
});

test('a replica that has become late leaves the Service, then the endpoints, then the status and the events tell', () => {
  const instances = [
    primary('orders-1'),
    replica('orders-2', late('lags behind by 10 s or more')),
    replica('orders-3'),
  ];

  expect(lines(next({ instances }).actions)).toEqual([
    'labelRoutable orders-2-0 false',
    'applyObject ConfigMap/orders-endpoints',
    'applyStatus',
    'ReplicaNotRoutable: orders-2 no longer serves reads: lags behind by 10 s or more',
  ]);
});

test('a replica whose receiver is down has an unknown lag, never 0', () => {
  const broken = replica('orders-2', {
    probe: { kind: 'measured', probe: probe({ role: 'replica', receiver: null }), measuredAt: 'now' },
    lag: { seconds: undefined, bytes: undefined },
  });
  const { actions } = next({ instances: [primary('orders-1'), broken, replica('orders-3')] });
  const status = statusOf(actions);

  expect(status?.maxLag).toBe('unknown');
  expect(status?.phase).toBe('Degraded');
  expect(status?.instances?.[1]).toEqual({
    name: 'orders-2',
    role: 'replica',
    ready: true,
    routable: true,
    promotable: false,
    receivedLsn: '0/5000000',
    replayedLsn: '0/5000000',
    receiver: 'down',
    measuredAt: 'now',
  });
});

test('what was deleted or edited by hand is applied again', () => {
  const { live } = settled();
  const edited = live
    .filter((it) => it.metadata.name !== 'orders-2')
    .map((it) => (it.metadata.name === 'orders-config' ? manifest('ConfigMap', 'orders-config') : it));

  expect(lines(next({ live: edited }).actions)).toEqual([
    'applyObject ConfigMap/orders-config',
    'applyObject StatefulSet/orders-2',
  ]);
});

test('an object of ours that is not wanted is deleted, somebody else’s is left alone', () => {
  const foreign = manifest('Service', 'orders-other', { metadata: { name: 'orders-other' } });
  const live = [
    ...settled().live,
    manifest('Service', 'orders-old'),
    foreign,
    manifest('Secret', 'orders-keep'),
  ];

  expect(lines(next({ live }).actions)).toEqual(['deleteObject Service/orders-old']);
});

test('scaling down drops the member from the configuration before its StatefulSet goes, and keeps its volume', () => {
  const claims = [claim(3)];
  const before = settled();
  const status = before.resource.kind === 'valid' ? before.resource.topology.status : undefined;
  const resource = {
    kind: 'valid',
    isDeleting: false,
    topology: topology({ instances: 2 }, status),
  } as const;

  expect(lines(planTopology({ ...before, resource, claims }, tools).actions)).toEqual([
    'labelRoutable orders-3-0 false',
    'applyObject ConfigMap/orders-config',
    'applyObject ConfigMap/orders-endpoints',
    'deleteObject StatefulSet/orders-3',
    'Scaled: orders-3 is removed',
    'VolumesRetained: the volume data-orders-3-0 is kept, delete its claim to free it',
    'applyStatus',
  ]);
});

const claimLines = (changes: Partial<Observed>, spec: object = {}) => {
  const storage = { size: '1Gi', onDelete: 'Delete' };
  const resource = { kind: 'valid', isDeleting: false, topology: topology({ storage, ...spec }) } as const;
  return lines(plan({ resource, ...changes }).actions).filter((it) => it.includes('Claim'));
};

test('with onDelete Delete the topology owns its volumes, and those of instances that are gone go', () => {
  const claims = [claim(1), claim(2), claim(3)];
  const two = { claims, config: config('orders-1', 'orders-2') };
  const own = ['ownClaim data-orders-1-0', 'ownClaim data-orders-2-0'];
  const live = [manifest('StatefulSet', 'orders-3')];

  expect(claimLines(two, { instances: 2 })).toEqual([...own, 'deleteClaim data-orders-3-0']);
  expect(claimLines({ ...two, live }, { instances: 2 })).toEqual([...own, 'ownClaim data-orders-3-0']);
  expect(claimLines({ ...two, config: undefined }, { instances: 2 })).not.toContain(
    'deleteClaim data-orders-3-0',
  );
  expect(claimLines({ claims }, { instances: 2 })).not.toContain('deleteClaim data-orders-3-0');
});

test('volumes that an earlier topology of this name has left are neither owned nor grown nor deleted', () => {
  const left = (ordinal: number) => claim(ordinal, { topologyUid: 'another' });
  const old = (ordinal: number) => claim(ordinal, { topologyUid: undefined, isYounger: false });
  const storage = { size: '2Gi', onDelete: 'Delete' };

  expect(claimLines({ claims: [left(1), old(2), left(8), old(9)] }, { storage })).toEqual([]);
});

test('a volume that was made for a member is marked as the topology’s', () => {
  const fresh = (ordinal: number) => claim(ordinal, { topologyUid: undefined });

  expect(claimLines({ claims: [fresh(1), fresh(9)] })).toEqual(['labelClaim data-orders-1-0']);
});

test('an invalid resource is said to be, and nothing else is touched', () => {
  const resource = {
    kind: 'invalid',
    uid: 'uid-orders',
    generation: 2,
    isDeleting: false,
    problems: ['spec.instances: must be 1 or more'],
    status: undefined,
  } as const;
  const { actions, outcome } = plan({ resource });

  expect(lines(actions)).toEqual(['applyStatus', 'Invalid: spec.instances: must be 1 or more']);
  expect(statusOf(actions)).toMatchObject({ phase: 'Invalid', observedGeneration: 2 });
  expect(outcome).toEqual({ kind: 'blocked', reason: 'spec.instances: must be 1 or more' });
  expect(plan({ resource: { ...resource, status: statusOf(actions) } }).actions).toEqual([]);
});

test('a deleted topology is not healed; volumes that stay are named once', () => {
  const claims = [claim(1), claim(2, { isOwned: true })];
  const message = 'VolumesRetained: the volumes data-orders-1-0 are kept, delete their claims to free them';

  expect(lines(plan({ resource: { kind: 'absent' }, claims }).actions)).toEqual([message, 'forgetTopology']);
  expect(plan({ resource: { kind: 'absent' }, claims, hasSaidFarewell: true }).actions).toEqual([]);
  const deleting = { kind: 'valid', isDeleting: true, topology: topology() } as const;
  expect(lines(plan({ resource: deleting, claims }).actions)).toEqual([message, 'rememberFarewell']);
});

test('a missing Lease is no news of another primary', () => {
  expect(next({ lease: undefined }).actions).toEqual([]);
});

test('nobody is primary before the database exists', () => {
  const { actions } = plan({
    lease: { ...lease, systemIdentifier: undefined },
    instances: [
      primary('orders-1', { probe: { kind: 'unreachable', reason: 'nobody listens', sinceMs: 1 } }),
    ],
  });

  expect(documentOf(actions)?.primary).toBeNull();
  expect(statusOf(actions)).toMatchObject({ phase: 'Provisioning', readySummary: '0/3' });
});

test('another holder of the Lease is published with its epoch, and leaves the reads', () => {
  const instances = [
    replica('orders-1', { pod: pod('orders-1') }),
    primary('orders-2', { pod: { ...pod('orders-2'), routableLabel: 'true' } }),
    replica('orders-3'),
  ];
  const { actions } = next({ lease: { ...lease, holder: 'orders-2', epoch: 2, timeline: 2 }, instances });

  expect(lines(actions)).toEqual([
    'labelRoutable orders-2-0 false',
    'labelRoutable orders-1-0 true',
    'applyObject ConfigMap/orders-endpoints',
    'applyStatus',
    'PrimaryElected: orders-2 is primary since epoch 2',
    'ReplicaRoutable: orders-1 serves reads',
  ]);
  expect(documentOf(actions)).toMatchObject({
    epoch: 2,
    generation: 2,
    timeline: 2,
    primary: { name: 'orders-2' },
  });
});

test('until the first probe of a new leader has ended, the last status stands', () => {
  const instances = observed().instances.map((it) => ({ ...it, probe: { kind: 'pending' } as const }));

  expect(next({ instances }).actions).toEqual([]);
});

test('an image that cannot be pulled is the reason of its instance and an event', () => {
  const stuck = { reason: 'ImagePullBackOff', message: 'Back-off pulling image "postgres:nope"' };
  const broken = replica('orders-3', {
    pod: { ...pod('orders-3'), stuck },
    probe: { kind: 'unreachable', reason: 'nobody listens on its port', sinceMs: 9 },
    reads: { ...late('does not accept connections').reads } as never,
  });
  const { actions } = next({ instances: [primary('orders-1'), replica('orders-2'), broken] });

  expect(lines(actions)).toContain(
    'InstanceNotReady: orders-3: ImagePullBackOff: Back-off pulling image "postgres:nope"',
  );
});

test('a volume that the agent refuses is the reason of its instance, in its own words', () => {
  const reason = 'the volume holds PostgreSQL 16, the topology runs 17';
  const refused = replica('orders-3', {
    probe: { kind: 'unreachable', reason: 'nobody listens on its port', sinceMs: 9 },
    agent: { phase: 'refused', reason } as never,
  });
  const { actions } = next({ instances: [primary('orders-1'), replica('orders-2'), refused] });

  expect(statusOf(actions)?.instances?.[2]).toMatchObject({ ready: false, reason });
  expect(statusOf(actions)?.conditions?.find((it) => it.type === 'ReplicationHealthy')).toMatchObject({
    status: 'False',
    message: `orders-3: ${reason}`,
  });
});

test('volumes that are bound grow with the spec; a size that was refused is not asked for again', () => {
  const spec = { storage: { size: '2Gi' } };
  const claims = [claim(1), claim(2, { sizeBytes: 2 ** 31 }), claim(3, { refusedBytes: 2 ** 31 }), claim(9)];
  const waiting = claim(1, { isBound: false });

  expect(lines(next({ claims }, spec).actions)).toEqual(['growClaim data-orders-1-0']);
  expect(lines(next({ claims: [waiting] }, spec).actions)).toEqual([]);
});

test('a pod that is being deleted leaves the reads while it still answers', () => {
  const leaving = replica('orders-2', {
    pod: { ...pod('orders-2'), routableLabel: 'true', isDeleting: true },
  });

  expect(lines(next({ instances: [primary('orders-1'), leaving, replica('orders-3')] }).actions)).toEqual([
    'labelRoutable orders-2-0 false',
    'applyObject ConfigMap/orders-endpoints',
    'applyStatus',
    'InstanceNotReady: orders-2: its pod is being deleted',
    'ReplicaNotRoutable: orders-2 no longer serves reads: its pod is being deleted',
  ]);
});

test('a new pod of a known instance is not ready before it has been measured', () => {
  const fresh = replica('orders-2', {
    pod: { ...pod('orders-2'), isReady: false },
    probe: { kind: 'pending' },
  });
  const status = statusOf(next({ instances: [primary('orders-1'), fresh, replica('orders-3')] }).actions);

  expect(status?.instances?.[1]).toMatchObject({
    ready: false,
    routable: false,
    reason: 'has not been measured yet',
  });
});

test('what an instance goes through while it starts is no event, what does not pass is one, once', () => {
  const silence = { kind: 'unreachable', reason: 'nobody listens on its port', sinceMs: 1 } as const;
  const cloning = { phase: 'cloning', reason: null } as never;
  const starting = replica('orders-3', { probe: silence, agent: cloning });
  const refused = { phase: 'refused', reason: 'the volume holds PostgreSQL 17' } as never;
  const before = { ...settled(), instances: [primary('orders-1'), replica('orders-2'), starting] };
  const status = statusOf(planTopology(before, tools).actions);
  const resource = { kind: 'valid', isDeleting: false, topology: topology({}, status) } as const;
  const instances = [primary('orders-1'), replica('orders-2'), { ...starting, agent: refused }];
  const { actions } = planTopology({ ...before, resource, instances }, tools);
  const told = lines(actions).filter((it) => it.includes('orders-3:'));

  expect(status?.instances?.[2]?.reason).toBe('is cloning');
  expect(told).toEqual(['InstanceTrouble: orders-3: the volume holds PostgreSQL 17']);
});

test('a new pod that is ready before it was measured serves no reads, although the one before it did', () => {
  const fresh = replica('orders-2', {
    pod: { ...pod('orders-2'), uid: 'another', routableLabel: undefined as never },
    probe: { kind: 'pending' },
    reads: initialReadsVerdict(0, false),
  });
  const { actions } = next({ instances: [primary('orders-1'), fresh, replica('orders-3')] });

  expect(lines(actions)).toEqual([
    'labelRoutable orders-2-0 false',
    'applyObject ConfigMap/orders-endpoints',
    'applyStatus',
    'ReplicaNotRoutable: orders-2 no longer serves reads: has not been measured yet',
  ]);
  expect(statusOf(actions)?.instances?.[1]).toMatchObject({
    ready: true,
    routable: false,
    reason: 'has not been measured yet',
  });
});

test.for([
  ['is missing', undefined],
  ['has no holder', { ...lease, holder: undefined }],
  ['is held by somebody who is no instance', { ...lease, holder: 'somebody' }],
] as const)('while the Lease %s nobody is scaled away', ([, found]) => {
  const before = settled();
  const status = before.resource.kind === 'valid' ? before.resource.topology.status : undefined;
  const resource = {
    kind: 'valid',
    isDeleting: false,
    topology: topology({ instances: 1 }, status),
  } as const;
  const { actions } = planTopology({ ...before, resource, lease: found }, tools);

  expect(lines(actions).filter((it) => /^delete|^Scaled|orders-config/.test(it))).toEqual([]);
});

test('what has changed since a pod was made is said, whether or not its server answers', () => {
  const outdated = { pod: { ...pod('orders-3'), outdated: ['service account'] } } as const;
  const waiting = (changes: Partial<InstanceFacts>) =>
    statusOf(
      next({ instances: [primary('orders-1'), replica('orders-2'), replica('orders-3', changes)] }).actions,
    )?.instances?.[2]?.pendingRestart;
  const asked = probe({ role: 'replica', receiver: streaming, pendingRestart: ['max_connections'] });

  expect(waiting({ ...outdated, probe: { kind: 'unreachable', reason: 'timeout', sinceMs: 1 } })).toEqual([
    'service account',
  ]);
  expect(waiting({ ...outdated, probe: { kind: 'measured', probe: asked, measuredAt: wallTime } })).toEqual([
    'max_connections',
    'service account',
  ]);
});

test('what the agent says of a replica that answers is its reason, and its last error while it does not stream', () => {
  const lastError = { at: wallTime, message: 'FATAL: requested WAL segment has already been removed' };
  const agent = { phase: 'running', reason: 'work_mem cannot be 1 TB', lastError } as never;
  const down = probe({ role: 'replica', receiver: null });
  const lag = { seconds: undefined, bytes: undefined };
  const statusWith = (changes: Partial<InstanceFacts>) =>
    statusOf(
      next({ instances: [primary('orders-1'), replica('orders-2'), replica('orders-3', changes)] }).actions,
    );
  const broken = statusWith({ agent, lag, probe: { kind: 'measured', probe: down, measuredAt: wallTime } });

  expect(statusWith({ agent })?.instances?.[2]).toMatchObject({
    ready: true,
    routable: true,
    reason: 'work_mem cannot be 1 TB',
  });
  expect(broken?.instances?.[2]?.reason).toBe(`work_mem cannot be 1 TB; ${lastError.message}`);
  expect(broken?.conditions?.find((it) => it.type === 'ReplicationHealthy')?.message).toBe(
    `orders-3: work_mem cannot be 1 TB; ${lastError.message}`,
  );
});
