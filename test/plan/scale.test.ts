import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planScale } from '../../src/plan/scale.ts';

const scale = (wanted: number, members: readonly string[], primary?: string) =>
  planScale({ topology: 'orders', wanted, members, primary, mayRemove: true });

test('a new topology gets its instances in order', () => {
  expect(scale(3, [])).toEqual({
    members: ['orders-1', 'orders-2', 'orders-3'],
    added: ['orders-1', 'orders-2', 'orders-3'],
    removed: [],
  });
});

test('scaling down removes the highest replica and never the primary', () => {
  expect(scale(2, ['orders-1', 'orders-2', 'orders-3'], 'orders-3')).toEqual({
    members: ['orders-1', 'orders-3'],
    added: [],
    removed: ['orders-2'],
  });
});

test('scaling up fills the lowest gap', () => {
  expect(scale(3, ['orders-1', 'orders-3'], 'orders-3')).toEqual({
    members: ['orders-1', 'orders-2', 'orders-3'],
    added: ['orders-2'],
    removed: [],
  });
});

test('numbers are ordered as numbers', () => {
  const members = Array.from({ length: 11 }, (_, index) => `orders-${index + 1}`);

  expect(scale(10, members, 'orders-1').removed).toEqual(['orders-11']);
});

test('before anybody is primary the first member stays, because it alone may initialise', () => {
  expect(scale(1, ['orders-2', 'orders-3']).members).toEqual(['orders-2']);
});

test('whatever is asked for, the primary stays and the number is right', () => {
  const ordinals = fc.uniqueArray(fc.integer({ min: 1, max: 15 }), { minLength: 1, maxLength: 15 });
  fc.assert(
    fc.property(ordinals, fc.integer({ min: 1, max: 15 }), fc.nat(14), (known, wanted, index) => {
      const members = known.map((it) => `orders-${it}`);
      const primary = members[index % members.length] ?? '';
      const planned = scale(wanted, members, primary);

      expect(planned.members).toContain(primary);
      expect(planned.members).toHaveLength(wanted);
      expect(new Set(planned.members).size).toBe(wanted);
    }),
  );
});
