import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseNanos } from '../../src/kube/quantity.ts';

test.each([
  ['1', '1000m'],
  ['0.5', '500m'],
  ['1Gi', '1024Mi'],
  ['1.5Gi', '1536Mi'],
  ['1k', '1000'],
  ['1e3', '1k'],
  ['1E3', '1k'],
  ['1E', '1000P'],
  ['100u', '0.1m'],
  ['1n', '0.000000001'],
  ['0.1n', '1n'],
  ['-1', '-1000m'],
  ['.5', '0.5'],
  ['5.', '5'],
])('%s is %s', (left, right) => {
  expect(parseNanos(left)).toBe(parseNanos(right));
  expect(parseNanos(left)).toBeTypeOf('bigint');
});

test.each(['', 'm', '1 Gi', '1gi', 'ten', '1Gi2', '0x10', '1e', '.'])('"%s" is no quantity', (text) => {
  expect(parseNanos(text)).toBeUndefined();
});

test('numbers are quantities too', () => {
  expect(parseNanos(2)).toBe(2_000_000_000n);
  expect(parseNanos(0.25)).toBe(250_000_000n);
});

test('the larger of two whole numbers of one unit is the larger quantity', () => {
  const units = fc.constantFrom('m', '', 'k', 'Ki', 'Gi', 'E');
  fc.assert(
    fc.property(fc.nat(), fc.nat(), units, (left, right, unit) => {
      const difference = (parseNanos(`${left}${unit}`) ?? 0n) - (parseNanos(`${right}${unit}`) ?? 0n);
      expect(difference > 0n).toBe(left > right);
    }),
  );
});
