import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Observation } from '../../../src/router/observation.ts';
import { seeded } from '../../fixtures/propertySeed.ts';
import { type Mistake, type SimulationOptions, simulate } from './simulation.ts';

const calm = { crash: 0, receiverLoss: 0.001, promotion: 0 };
const stormy = { crash: 0.001, receiverLoss: 0.003, promotion: 0.0005 };

const simulation = fc.record({
  seed: fc.nat(),
  replicas: fc.integer({ min: 1, max: 3 }),
  probeEveryMs: fc.constantFrom(10, 50, 250),
  durationMs: fc.constant(1_500),
  weather: fc.constantFrom(calm, stormy),
  writes: fc.constantFrom(0.02, 0.2),
});

test('no read of a scope misses what it has written, what it has read, or more than it allows', () => {
  fc.assert(
    fc.property(simulation, (options) => {
      expect(simulate(options).violations).toEqual([]);
    }),
    seeded({ numRuns: 60 }),
  );
});

test('in calm weather most reads are on replicas all the same', () => {
  const { reads } = simulate({
    seed: 1,
    replicas: 2,
    probeEveryMs: 10,
    durationMs: 5_000,
    weather: calm,
    writes: 0.02,
  });

  expect(reads.none).toBe(0);
  expect(reads.replica).toBeGreaterThan(reads.primary);
});

/** Mistakes that are easily made, each of which must be seen by the simulation. */
const mistakes: readonly (readonly [what: string, mistake: Mistake])[] = [
  [
    'counts the end of a sample instead of its start',
    { observe: (it) => ({ ...it, startedAtMs: it.endedAtMs }) },
  ],
  ['takes what is written for what was acknowledged', { observe: withoutInserted }],
  ['compares positions of different timelines', { observe: withNewestTimeline }],
  ['forgets what has been read', { forgets: 'reads' }],
  ['forgets what has been written', { forgets: 'writes' }],
  ['goes on with a replica that was restarted', { forgets: 'lost connections' }],
  ['does not read the token', { forgets: 'the token' }],
];

test.each(mistakes)('a router that %s is found out', (_, mistake) => {
  const options: Omit<SimulationOptions, 'seed' | 'probeEveryMs'> = {
    replicas: 3,
    durationMs: 1_500,
    weather: { ...stormy, crash: 0.003 },
    writes: 0.1,
    mistake,
  };
  const seeds = Array.from({ length: 100 }, (__, seed) => seed);
  expect(
    seeds.some(
      (seed) => simulate({ ...options, seed, probeEveryMs: seed % 2 === 0 ? 20 : 150 }).violations.length > 0,
    ),
  ).toBe(true);
});

function withoutInserted(observation: Observation): Observation {
  const { probe } = observation;
  return probe.kind === 'failed' ? observation : { ...observation, probe: { ...probe, insertedLsn: null } };
}

/** As if a replica were always on the newest timeline that there can be. */
function withNewestTimeline(observation: Observation): Observation {
  const { probe } = observation;
  if (probe.kind === 'failed') return observation;
  return { ...observation, probe: { ...probe, timeline: probe.role === 'replica' ? 2 : probe.timeline } };
}
