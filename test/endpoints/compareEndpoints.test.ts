import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareEndpoints } from '../../src/endpoints/compareEndpoints.ts';
import { endpointsDocument } from '../fixtures/endpointsDocument.ts';

const current = endpointsDocument({ epoch: 12, generation: 41 });
const topology = current.topology;

test.each([
  ['the next generation', { epoch: 12, generation: 42 }, 'newer'],
  ['a higher epoch with a lower generation', { epoch: 13, generation: 1 }, 'newer'],
  ['the same numbers published later', { publishedAt: '2030-01-01T00:00:00Z' }, 'same'],
  ['an earlier generation', { epoch: 12, generation: 40 }, 'older'],
  ['a lower epoch with a higher generation', { epoch: 11, generation: 99 }, 'older'],
  ['another name', { epoch: 13, topology: { ...topology, name: 'invoices' } }, 'otherTopology'],
  ['another namespace', { epoch: 13, topology: { ...topology, namespace: 'test' } }, 'otherTopology'],
  ['a database made anew', { epoch: 1, topology: { ...topology, systemIdentifier: '8' } }, 'otherTopology'],
  [
    'a system identifier not yet known',
    { epoch: 13, topology: { ...topology, systemIdentifier: null } },
    'newer',
  ],
] as const)('%s', (_, differences, order) => {
  expect(compareEndpoints({ ...current, ...differences }, current)).toBe(order);
});

test('of two documents of one topology at most one is newer', () => {
  const numbers = fc.record({ epoch: fc.nat({ max: 3 }), generation: fc.nat({ max: 3 }) });
  const mirror = { newer: 'older', older: 'newer', same: 'same', otherTopology: 'otherTopology' } as const;
  fc.assert(
    fc.property(numbers, numbers, (one, other) => {
      const [a, b] = [endpointsDocument(one), endpointsDocument(other)];
      expect(compareEndpoints(b, a)).toBe(mirror[compareEndpoints(a, b)]);
    }),
  );
});
