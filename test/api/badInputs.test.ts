// zod, with which the operator reads, refuses what the API server refuses: the same table as test/system/apiRejects.test.ts.
import { expect, test } from 'vitest';
import { parseReplicatedPostgres } from '../../src/api/replicatedPostgres.ts';
import { badChanges, badNames, badSpecs, smallestSpec } from '../fixtures/badInputs.ts';

const problemsOf = (spec: object, name = 'orders'): readonly string[] => {
  const metadata = { name, namespace: 'shop', uid: 'u', generation: 1, resourceVersion: '1' };
  const parsed = parseReplicatedPostgres({ apiVersion: '', kind: '', metadata, spec });
  return parsed.kind === 'valid' ? [] : parsed.problems;
};

test.each(badSpecs)('$mistake is refused on reading, and the problem names the field', (row) => {
  const { bad, field, says, isRule } = row;
  const problems = problemsOf({ ...smallestSpec, ...bad });

  const own = problems.filter((problem) => problem.startsWith(field));
  expect(own, problems.join('\n')).not.toEqual([]);
  if (isRule === true) expect(own.join('\n')).toMatch(says);
});

test.each(badSpecs.filter(({ good }) => good !== undefined))(
  'what the message for $mistake leads to is read',
  ({ good }) => {
    expect(problemsOf({ ...smallestSpec, ...good })).toEqual([]);
  },
);

test.each(badNames)('a topology called $bad is refused on reading', ({ bad, good, says }) => {
  expect(problemsOf(smallestSpec, bad).join('\n')).toMatch(says);
  expect(problemsOf(smallestSpec, good)).toEqual([]);
});

test.each(badChanges)('$mistake starts from what can be read', ({ before }) => {
  expect(problemsOf({ ...smallestSpec, ...before })).toEqual([]);
});

test('an object without a spec is refused and the problem says what is missing', () => {
  expect(problemsOf({})).toEqual(['spec.storage: Invalid input: expected object, received undefined']);
});

test('fields that a newer CRD knows are ignored at every level, so that an upgrade makes no topology invalid', () => {
  const metadata = { name: 'orders', namespace: 'shop', uid: 'u', generation: 1, resourceVersion: '1' };
  const parse = (spec: object) => parseReplicatedPostgres({ apiVersion: '', kind: '', metadata, spec });
  const newer = {
    storage: { size: '1Gi', encryption: 'none' },
    imagePullSecrets: [{ name: 'registry', scope: 'all' }],
    pooler: { readOnly: { poolMode: 'transaction' } },
    podMetadata: { finalizers: ['a'] },
    backups: { schedule: '@daily' },
  };

  expect(parse(newer)).toEqual(parse({ ...smallestSpec, imagePullSecrets: [{ name: 'registry' }] }));
  expect(parse(newer).kind).toBe('valid');
  expect(problemsOf({ ...newer, instances: 0 })).toEqual([expect.stringMatching(/^spec\.instances: /)]);
});
