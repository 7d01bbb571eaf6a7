import { expect, test } from 'vitest';
import { findReadProblems, readDefaults } from '../../../src/router/balance/readSettings.ts';

test('the defaults are without problems', () => {
  expect(findReadProblems(readDefaults)).toEqual([]);
  expect(findReadProblems({ ...readDefaults, consistency: { maxLagMs: 100 }, zone: 'a' })).toEqual([]);
});

test('everything that is wrong is told at once', () => {
  const wrong = {
    ...readDefaults,
    consistency: { maxLagMs: 0 },
    strategy: 'random' as 'weighted',
    whenLate: 'never' as 'primary',
    zone: '',
    zoneSpillInFlight: 0,
    slowStartMs: -1,
    waitBudgetMs: Number.NaN,
    tokenKeys: ['short'],
    fallback: { concurrent: 0, perSecond: 0 },
  };

  expect(findReadProblems(wrong)).toEqual([
    'consistency must be eventual, read-your-writes, strong or { maxLagMs } of 1 or more',
    'strategy must be one of round-robin, weighted, least-in-flight, peak-ewma, not random',
    'whenLate must be primary or least-late, not never',
    'zone must be the name of a zone',
    'waitBudgetMs must be a number from 0 to 60000, not NaN',
    'slowStartMs must be a number from 0 to 3600000, not -1',
    'zoneSpillInFlight must be a number from 1 to 9007199254740991, not 0',
    'fallback.concurrent must be a number from 1 to 9007199254740991, not 0',
    'fallback.perSecond must be a number from above 0 to 9007199254740991, not 0',
    'tokenKeys must be a list of keys, each of 16 bytes or more',
  ]);
});
