// Invariant 4 of the design: initdb succeeds once in the life of a topology. Three instances run their plans
// against one small world; any step may be interrupted, any memory lost, any volume but the last be wiped.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TopologyConfig } from '../../src/api/topologyConfig.ts';
import { planInstance } from '../../src/plan/instance.ts';
import type { InstanceAction, LeaseFact, ServerFact, VolumeFact } from '../../src/plan/instanceFacts.ts';
import { answering, config, data, facts, noLease, record, slot, stopped } from './instanceFixtures.ts';

interface World {
  lease: LeaseFact;
  config: TopologyConfig;
  initialised: string[];
  readonly nodes: Record<string, { volume: VolumeFact; server: ServerFact; rolesCurrent: boolean }>;
}

const names = ['orders-1', 'orders-2', 'orders-3'];

type Step =
  | { readonly kind: 'cycle'; readonly name: string; readonly survives: number }
  | { readonly kind: 'restart'; readonly name: string }
  | { readonly kind: 'wipe'; readonly name: string }
  | { readonly kind: 'operatorReads' };

const name = fc.constantFrom(...names);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('cycle' as const), name, survives: fc.nat({ max: 6 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restart' as const), name }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('wipe' as const),
      name: fc.constantFrom('orders-2', 'orders-3'),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'operatorReads' as const }) },
);

test('however the first starts are interrupted, one database is initialised and everybody else copies it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = newWorld();
      for (const it of steps) take(world, it);
      expect(world.initialised.length).toBeLessThanOrEqual(1);
      // Left alone for a while, all of them run, and they are one system.
      for (let turn = 0; turn < 20; turn += 1)
        for (const it of names) take(world, { kind: 'cycle', name: it, survives: 98 });
      expect(world.initialised).toHaveLength(1);
      const ends = names.map((it) => [world.nodes[it]?.server.kind, systemOf(world.nodes[it]?.volume)]);
      expect(ends).toEqual(names.map(() => ['answering', world.initialised[0]]));
    }),
    { numRuns: 300 },
  );
});

test('once the Lease knows the database, nobody initialises again, whichever volumes are lost', () => {
  const lossy = fc.oneof(
    { weight: 9, arbitrary: step },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('wipe' as const), name }) },
  );
  fc.assert(
    fc.property(fc.array(lossy, { minLength: 20, maxLength: 80 }), (steps) => {
      const world = newWorld();
      for (const it of steps) {
        const known = world.lease.kind === 'held' && world.lease.systemIdentifier !== null;
        if (it.kind !== 'wipe' || known) take(world, it);
      }
      expect(world.initialised.length).toBeLessThanOrEqual(1);
    }),
    { numRuns: 500 },
  );
});

function newWorld(): World {
  const node = () => ({ volume: { kind: 'empty' } as VolumeFact, server: stopped, rolesCurrent: false });
  return {
    lease: noLease,
    config,
    initialised: [],
    nodes: Object.fromEntries(names.map((it) => [it, node()])),
  };
}

function take(world: World, it: Step): void {
  if (it.kind === 'operatorReads') {
    const known = world.lease.kind === 'held' ? world.lease.systemIdentifier : null;
    if (known !== null) world.config = { ...world.config, systemIdentifier: known };
    return;
  }
  const node = world.nodes[it.name];
  if (node === undefined) return;
  if (it.kind === 'restart' || it.kind === 'wipe') node.server = stopped;
  if (it.kind === 'wipe') node.volume = { kind: 'empty' };
  if (it.kind === 'restart') node.rolesCurrent = false;
  if (it.kind !== 'cycle') return;
  const plan = planInstance(facts({ instance: it.name, config: world.config, lease: world.lease, ...node }));
  // The agent dies before the action whose turn it is when `survives` runs out.
  const done = plan.actions.slice(0, it.survives);
  for (const action of done) execute(world, it.name, action, it.survives);
  const renews = plan.renewLease && node.server.kind === 'answering' && node.rolesCurrent;
  if (renews && world.lease.kind === 'held')
    world.lease = { ...world.lease, systemIdentifier: systemOf(node.volume) };
}

function systemOf(volume: VolumeFact | undefined): string | null {
  return volume?.kind === 'data' ? volume.systemIdentifier : null;
}

function execute(world: World, name: string, action: InstanceAction, luck: number): void {
  const node = world.nodes[name];
  if (node === undefined) return;
  switch (action.kind) {
    case 'createLease':
      if (world.lease.kind === 'missing') {
        world.lease = {
          kind: 'held',
          holder: name,
          epoch: action.epoch,
          systemIdentifier: null,
          unchangedForMs: 0,
        };
      }
      return;
    case 'initialize':
    case 'clone': {
      if (luck % 2 === 1) {
        node.volume = { kind: 'unfinished' };
        return;
      }
      const fresh = `system-${world.initialised.length + 1}`;
      const systemIdentifier = action.kind === 'initialize' ? fresh : action.systemIdentifier;
      if (action.kind === 'initialize') world.initialised.push(fresh);
      const standby = action.kind === 'clone';
      node.volume = data({
        systemIdentifier,
        standby,
        record: { ...record, systemIdentifier, epoch: action.epoch },
      });
      return;
    }
    case 'start':
      node.server = answering(action.as, {
        slots: action.as === 'primary' ? names.map((it) => slot(it.replace('-', '_'))) : [],
      });
      return;
    case 'healRoles':
      node.rolesCurrent = true;
      return;
    case 'cloneAgain':
    case 'promote':
    case 'stop':
      throw new Error(`${name} must not ${action.kind} here`);
    case 'abandonWork':
    case 'configure':
    case 'createSlot':
    case 'dropSlot':
    case 'finish':
    case 'labelPod':
    case 'writeRecord':
  }
}
