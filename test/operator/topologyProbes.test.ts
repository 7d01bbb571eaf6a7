import { expect, test } from 'vitest';
import { TopologyProbes } from '../../src/operator/topologyProbes.ts';
import type { ReadsLimits } from '../../src/plan/reads.ts';
import { type Lsn, parseLsn } from '../../src/postgres/lsn.ts';
import type { InstanceProbe } from '../../src/postgres/probeInstance.ts';
import { lease, probe, streaming } from '../fixtures/observed.ts';

const limits: ReadsLimits = {
  maxLagSeconds: 10,
  resumeLagSeconds: 5,
  maxLagBytes: undefined,
  graceMs: 4_000,
};
const at = (seconds: number) => seconds * 1_000;
const lsn = (position: number) => BigInt(position) as Lsn;

/** A primary and a replica that are asked once a second, the primary first. */
class Scene {
  readonly probes = new TopologyProbes(limits);

  constructor() {
    this.probes.noteLease(lease, undefined, 0);
    this.probes.include('orders-1', 'pod-1', 0, false);
    this.probes.include('orders-2', 'pod-2', 0, false);
  }

  primaryAt(seconds: number, position: number, changes: Partial<InstanceProbe> = {}): void {
    this.#take('orders-1', seconds, probe({ receivedLsn: lsn(position), ...changes }));
  }

  replicaAt(seconds: number, position: number, changes: Partial<InstanceProbe> = {}): void {
    this.#take(
      'orders-2',
      seconds,
      probe({ role: 'replica', replayedLsn: lsn(position), receiver: streaming, ...changes }),
    );
  }

  silentAt(seconds: number, instance: string, isCertain = false): void {
    const result = { kind: 'unreachable', reason: 'timeout', isCertain } as const;
    const sample = {
      startedAt: at(seconds),
      endedAt: at(seconds),
      wallTime: '',
      anchors: this.probes.anchors,
    };
    this.probes.take(instance, { ...sample, result });
  }

  renewedAt(seconds: number, position: number, renewTime = `at ${seconds}`): void {
    this.probes.noteLease(lease, { renewTime, walPosition: lsn(position) }, at(seconds));
  }

  #take(instance: string, seconds: number, answer: InstanceProbe): void {
    const { anchors } = this.probes;
    const result = { kind: 'measured', probe: answer } as const;
    this.probes.take(instance, {
      result,
      startedAt: at(seconds),
      endedAt: at(seconds),
      wallTime: '',
      anchors,
    });
  }

  replica(seconds: number) {
    const { probe: state, lag, reads } = this.probes.facts('orders-2', at(seconds));
    return { kind: state.kind, ...lag, routable: reads.routable };
  }
}

test('a replica of an idle primary has no lag, however long it is idle', () => {
  const scene = new Scene();
  for (let second = 1; second <= 120; second += 1) {
    scene.primaryAt(second, 100);
    scene.replicaAt(second + 0.5, 100);
  }

  expect(scene.replica(120.5)).toEqual({ kind: 'measured', seconds: 0, bytes: 0, routable: true });
});

test('with replay paused and writes going on, the lag grows and the replica leaves at its limit', () => {
  const scene = new Scene();
  const left: number[] = [];
  for (let second = 1; second <= 20; second += 1) {
    scene.primaryAt(second, 100 + second);
    scene.replicaAt(second + 0.5, Math.min(100 + second, 105));
    if (second > 5 && !scene.replica(second + 0.5).routable) left.push(second);
  }

  expect(left[0]).toBe(15);
  expect(scene.replica(20.5)).toEqual({ kind: 'measured', seconds: 15.5, bytes: 15, routable: false });
});

test('without receiver the lag is unknown, and the replica leaves in time although nothing is written', () => {
  const scene = new Scene();
  let leftAt: number | undefined;
  for (let second = 1; second <= 20; second += 1) {
    scene.primaryAt(second, 100);
    scene.replicaAt(second + 0.5, 100, second > 5 ? { receiver: null } : {});
    if (second > 5 && !scene.replica(second).routable) leftAt ??= second;
  }

  expect(leftAt).toBe(15);
  expect(scene.replica(20.5)).toEqual({
    kind: 'measured',
    seconds: undefined,
    bytes: undefined,
    routable: false,
  });
});

test('a primary that only the operator cannot reach still makes replicas late, by the positions in its Lease', () => {
  const scene = new Scene();
  scene.primaryAt(1, 100);
  scene.replicaAt(1.5, 100);
  scene.replicaAt(2.5, 100);
  for (let second = 3; second <= 30; second += 1) {
    scene.silentAt(second, 'orders-1');
    scene.renewedAt(second, 100 + second);
    scene.replicaAt(second + 0.5, 100);
  }

  expect(scene.replica(30.5)).toMatchObject({ kind: 'measured', routable: false });
});

test('a Lease that is only told again is no sign of life: nobody writes, so a receiver that is down takes nobody out', () => {
  const scene = new Scene();
  scene.primaryAt(1, 100);
  scene.replicaAt(1.5, 100);
  scene.replicaAt(2.5, 100);
  for (let second = 3; second <= 60; second += 1) {
    scene.silentAt(second, 'orders-1');
    scene.renewedAt(second, 100, 'long ago');
    scene.replicaAt(second + 0.5, 100, { receiver: null });
  }
  expect(scene.replica(60.5)).toMatchObject({ routable: true });

  for (let second = 61; second <= 75; second += 1) {
    scene.renewedAt(second, 100);
    scene.replicaAt(second + 0.5, 100, { receiver: null });
  }
  expect(scene.replica(75.5)).toMatchObject({ routable: false });
});

test('the position in a renewal is as old as the renewal before it', () => {
  const scene = new Scene();
  scene.primaryAt(1, 100);
  scene.renewedAt(6, 200);
  scene.renewedAt(8, 300);
  expect(scene.probes.anchors.anchors).toEqual([{ at: at(1), lsn: lsn(100) }]);

  scene.renewedAt(10, 400);
  expect(scene.probes.anchors.anchors.at(-1)).toEqual({ at: at(8), lsn: lsn(400) });
});

test('after a change of the primary old positions are forgotten', () => {
  const scene = new Scene();
  scene.primaryAt(1, 100);
  scene.probes.noteLease({ ...lease, holder: 'orders-3', epoch: 2 }, undefined, at(20));
  scene.replicaAt(20.5, 90);

  expect(scene.replica(20.5)).toEqual({
    kind: 'measured',
    seconds: undefined,
    bytes: undefined,
    routable: false,
  });
});

test('a probe that is lost changes nothing for the grace period, a server that is gone is gone at once', () => {
  const scene = new Scene();
  scene.primaryAt(1, 100);
  scene.replicaAt(1.5, 100);
  scene.replicaAt(2.5, 100);
  scene.silentAt(3.5, 'orders-2');
  expect(scene.replica(3.5)).toEqual({ kind: 'measured', seconds: 0, bytes: 0, routable: true });
  scene.silentAt(6.5, 'orders-2');
  expect(scene.replica(6.5)).toEqual({
    kind: 'unreachable',
    seconds: undefined,
    bytes: undefined,
    routable: false,
  });
  scene.replicaAt(7.5, 100);
  scene.replicaAt(8.5, 100);
  expect(scene.replica(8.5)).toMatchObject({ routable: true });
  scene.silentAt(9.5, 'orders-2', true);
  expect(scene.replica(9.5)).toMatchObject({ kind: 'unreachable', routable: false });
});

test('a server of another database system, or that runs as a primary without the Lease, serves no reads', () => {
  const scene = new Scene();
  scene.primaryAt(1, 100);
  scene.replicaAt(1.5, 100, { systemIdentifier: 'another' });
  expect(scene.probes.facts('orders-2', at(1.5)).reads.reason).toBe('belongs to another database system');
  scene.replicaAt(2.5, 100, { role: 'primary', receivedLsn: parseLsn('0/1') });
  expect(scene.probes.facts('orders-2', at(2.5)).reads.reason).toBe(
    'runs as a primary without holding the Lease',
  );
});

test('another pod of an instance starts over, and a new leader believes the label of the pod', () => {
  const scene = new Scene();
  scene.primaryAt(1, 100);
  scene.replicaAt(1.5, 100);
  scene.replicaAt(2.5, 100);
  scene.probes.include('orders-2', 'another pod', at(3), true);
  expect(scene.replica(3)).toEqual({
    kind: 'pending',
    seconds: undefined,
    bytes: undefined,
    routable: false,
  });
  scene.probes.include('orders-3', 'pod-3', at(3), true);
  expect(scene.probes.facts('orders-3', at(3)).reads.routable).toBe(true);
});

test('a replica that is asked before the primary is not measured yet, rather than of unknown lag', () => {
  const scene = new Scene();
  scene.replicaAt(0.5, 100);
  expect(scene.replica(0.5)).toMatchObject({ kind: 'pending', seconds: undefined });
  scene.primaryAt(1, 100);
  scene.replicaAt(1.5, 100);
  expect(scene.replica(1.5)).toMatchObject({ kind: 'measured', seconds: 0 });
});

test('when the primary never answers, replicas are measured all the same after the grace period', () => {
  const scene = new Scene();
  scene.silentAt(0.5, 'orders-1');
  scene.replicaAt(4.5, 100);

  expect(scene.replica(4.5)).toMatchObject({ kind: 'measured', seconds: undefined });
});

test('a replica that stopped replaying before a new leader began to look does not come in as fresh', () => {
  const scene = new Scene();
  const seen: (number | undefined)[] = [];
  for (let second = 1; second <= 15; second += 1) {
    scene.primaryAt(second, 500);
    scene.replicaAt(second + 0.5, 100);
    const { seconds, routable } = scene.replica(second + 0.5);
    expect(routable).toBe(false);
    seen.push(seconds);
  }

  expect(seen.slice(0, 10)).toEqual(Array<undefined>(10).fill(undefined));
  expect(seen.at(-1)).toBe(14.5);
});

test('one that the leader before had let in leaves when its lag stays unknown', () => {
  const scene = new Scene();
  scene.probes.exclude('orders-2');
  scene.probes.include('orders-2', 'pod-2', 0, true);
  const routable: boolean[] = [];
  for (let second = 1; second <= 12; second += 1) {
    scene.primaryAt(second, 500);
    scene.replicaAt(second + 0.5, 100);
    routable.push(scene.replica(second + 0.5).routable);
  }

  expect(routable).toEqual([...Array<boolean>(3).fill(true), ...Array<boolean>(9).fill(false)]);
});

test('one that the leader before had let in leaves after the grace period when no probe of it ever ends', () => {
  const { probes } = new Scene();
  probes.include('orders-3', 'pod-3', 0, true);

  expect(probes.facts('orders-3', at(3.9)).reads.routable).toBe(true);
  expect(probes.facts('orders-3', at(4)).reads).toMatchObject({
    routable: false,
    reason: 'has not answered for 4000 ms',
  });
});
