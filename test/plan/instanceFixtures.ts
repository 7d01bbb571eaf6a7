// One instance in an ordinary moment; a test states only what is different.

import type { TopologyConfig } from '../../src/api/topologyConfig.ts';
import { planInstance } from '../../src/plan/instance.ts';
import type {
  InstanceAction,
  InstanceFacts,
  LeaseFact,
  ServerFact,
  VolumeFact,
} from '../../src/plan/instanceFacts.ts';
import type { InstanceState } from '../../src/postgres/instanceState.ts';
import { parseLsn } from '../../src/postgres/lsn.ts';

export const config: TopologyConfig = {
  version: 1,
  topology: { namespace: 'shop', name: 'orders', uid: 'uid-1' },
  systemIdentifier: null,
  postgres: { version: 17, parameters: {}, hba: [] },
  bootstrap: { database: 'app', owner: 'app' },
  replication: { durability: 'async', whenNoReplica: 'wait', maxSlotWalKeepSizeBytes: 2 ** 33 },
  failover: { leaseSeconds: 10, maxLagBytes: 2 ** 24, delaySeconds: 0 },
  instances: [1, 2, 3].map((it) => ({ name: `orders-${it}`, host: `host-${it}` })),
  pooler: { readWrite: { poolSize: 25 }, readOnly: { poolSize: 50 }, maxClientConnections: 1000 },
};
export const established: TopologyConfig = { ...config, systemIdentifier: '7' };

type Missing = Extract<LeaseFact, { kind: 'missing' }>;
export const missingLease = (change: Partial<Missing> = {}): LeaseFact => ({
  kind: 'missing',
  missingForMs: 0,
  publishedEpoch: 0,
  ...change,
});
export const noLease = missingLease();
export const lease = (change: Partial<Extract<LeaseFact, { kind: 'held' }>> = {}): LeaseFact => ({
  kind: 'held',
  holder: 'orders-1',
  epoch: 1,
  systemIdentifier: '7',
  unchangedForMs: 500,
  ...change,
});

type Data = Extract<VolumeFact, { kind: 'data' }>;
export const record = {
  version: 1,
  topologyUid: 'uid-1',
  systemIdentifier: '7',
  epoch: 1,
  majorVersion: 17,
} as const;
export const data = (change: Partial<Data> = {}): Data => ({
  kind: 'data',
  systemIdentifier: '7',
  majorVersion: 17,
  record,
  standby: false,
  controlState: 'shut down',
  timeline: 1,
  floors: {},
  ...change,
});

export const stopped: ServerFact = { kind: 'stopped', exits: 0, stoppedForMs: 60_000 };
export const answering = (role: 'primary' | 'replica', change: Partial<InstanceState> = {}): ServerFact => ({
  kind: 'answering',
  as: role,
  state: {
    role,
    timeline: 1,
    lsn: parseLsn('0/3000000'),
    replayedLsn: role === 'replica' ? parseLsn('0/3000000') : null,
    pendingRestart: [],
    slots: [],
    streaming: role === 'replica' ? true : null,
    ...change,
  },
});

export const slot = (name: string, active = true, walStatus = 'reserved') => ({ name, active, walStatus });

export function facts(change: Partial<InstanceFacts> = {}): InstanceFacts {
  return {
    instance: 'orders-1',
    stopRequested: false,
    config,
    lease: noLease,
    binaries: { kind: 'found', majorVersion: 17 },
    isVolumeTaken: false,
    volume: { kind: 'empty' },
    server: stopped,
    work: null,
    workFailure: null,
    files: null,
    refusedParameters: [],
    refusedHbaLines: [],
    certificateDigest: 'abc',
    systemUser: 'postgres',
    places: { tlsDir: '/tls', socketDir: '/run', listenAddresses: '*', port: 5432 },
    rolesCurrent: true,
    podRole: null,
    missingWal: null,
    pausedReplay: null,
    sinceCloneAgainMs: null,
    ...change,
  };
}

/** A primary of three in its daily life: nothing is left to do. */
export const primary = (change: Partial<InstanceFacts> = {}) =>
  settled({
    config: established,
    lease: lease(),
    volume: data(),
    server: answering('primary', { slots: [slot('orders_2'), slot('orders_3')] }),
    podRole: 'primary',
    ...change,
  });

/** The second instance, which follows the first. */
export const replica = (change: Partial<InstanceFacts> = {}) =>
  settled({
    instance: 'orders-2',
    config: established,
    lease: lease(),
    volume: data({ standby: true }),
    server: answering('replica'),
    podRole: 'replica',
    ...change,
  });

/** Facts whose settings files are as the plan wants them. */
function settled(change: Partial<InstanceFacts>): InstanceFacts {
  const before = facts(change);
  const configure = planInstance({ ...before, server: stopped, stopRequested: false }).actions.find(
    (it) => it.kind === 'configure',
  );
  return configure?.kind === 'configure' ? { ...before, files: configure.files } : before;
}

export const kinds = (actions: readonly InstanceAction[]) => actions.map(({ kind }) => kind);
