import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareResourceVersions, laterResourceVersion } from '../../src/kube/resourceVersion.ts';

test('versions are compared as numbers of any length', () => {
  const versions = fc.bigInt({ min: 1n, max: 10n ** 30n });

  fc.assert(
    fc.property(versions, versions, (left, right) => {
      const order = compareResourceVersions(String(left), String(right)) ?? Number.NaN;
      expect(Math.sign(order)).toBe(left < right ? -1 : Number(left > right));
    }),
  );
});

test.each(['', '0', '012', '1a', '-1', 'abc'])('"%s" is not comparable with a number', (version) => {
  expect(compareResourceVersions(version, '5')).toBeUndefined();
  expect(laterResourceVersion('5', version)).toBe(version);
});
