// The API server refuses what the operator could not run, and says what to do. Nothing is stored but what changes need.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiVersion, kind } from '../../src/api/names.ts';
import { badChanges, badNames, badSpecs, smallestSpec } from '../fixtures/badInputs.ts';
import { kubectl } from '../fixtures/kubectl.ts';

const namespace = 'api-rejects';

/** Changes need a stored object, which the operator begins to run: let it have little to do until it is deleted. */
const quiet = { instances: 1, pooler: { readWrite: { instances: 0 }, readOnly: { instances: 0 } } };

const topology = (name: string, spec: object) =>
  JSON.stringify({ apiVersion, kind, metadata: { name, namespace }, spec: { ...smallestSpec, ...spec } });

/** What kubectl said, or undefined when the object was taken. `validate=false`: the server must refuse by itself. */
async function refusal(command: readonly string[], input: string): Promise<string | undefined> {
  try {
    await kubectl([...command, '-f', '-'], { input });
    return undefined;
  } catch (error) {
    return (error as { stderr?: string }).stderr ?? String(error);
  }
}

const tryCreate = (name: string, spec: object, validate = 'false') =>
  refusal(['create', '--dry-run=server', `--validate=${validate}`], topology(name, spec));
const tryReplace = (name: string, spec: object) =>
  refusal(['replace', '--dry-run=server', '--validate=false'], topology(name, spec));

beforeAll(async () => {
  await kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--wait']);
  await kubectl(['create', 'namespace', namespace]);
});

afterAll(async () => {
  await kubectl(['delete', 'namespace', namespace, '--wait=false']);
});

test.each(badSpecs)('$mistake is refused with what to do', async ({ bad, good, field, says }) => {
  const message = await tryCreate('orders', bad);

  expect(message).toContain(field);
  expect(message).toMatch(says);
  if (good !== undefined) expect(await tryCreate('orders', good)).toBeUndefined();
});

test.each(badNames)('a topology called $bad is refused with what to do', async ({ bad, good, says }) => {
  expect(await tryCreate(bad, {})).toMatch(says);
  expect(await tryCreate(good, {})).toBeUndefined();
});

test.each(badChanges.map((row, index) => ({ ...row, name: `change-${index}` })))(
  '$mistake is refused with what to do',
  async ({ name, before, bad, good, field, says }) => {
    await kubectl(['create', '-f', '-'], { input: topology(name, { ...quiet, ...before }) });
    try {
      const message = await tryReplace(name, { ...quiet, ...bad });

      expect(message).toContain(field);
      expect(message).toMatch(says);
      if (good !== undefined) expect(await tryReplace(name, { ...quiet, ...good })).toBeUndefined();
    } finally {
      await kubectl(['-n', namespace, 'delete', 'rpg', name, '--wait=false']);
    }
  },
);

test('a field that does not exist is refused when the client validates, as kubectl does', async () => {
  expect(await tryCreate('orders', { replicas: 3 }, 'strict')).toMatch(/unknown field "spec\.replicas"/);
  expect(await tryCreate('orders', { instances: 3 }, 'strict')).toBeUndefined();
});

test('kubectl scale cannot ask for more instances than the spec may', async () => {
  await kubectl(['create', '-f', '-'], { input: topology('scaled', quiet) });
  const scale = (replicas: number) =>
    kubectl(['-n', namespace, 'scale', 'rpg', 'scaled', `--replicas=${replicas}`]).then(
      () => undefined,
      (error: { stderr?: string }) => error.stderr,
    );

  expect(await scale(16)).toMatch(/spec\.instances.* less than or equal to 15/);
  expect(await scale(0)).toMatch(/spec\.instances.* greater than or equal to 1/);
  await kubectl(['-n', namespace, 'delete', 'rpg', 'scaled', '--wait=false']);
});

test('kubectl explain describes every field', async () => {
  const text = await kubectl(['explain', 'replicatedpostgreses', '--recursive=false']);
  expect(text).toContain('What the topology should be');
  expect(await kubectl(['explain', 'rpg.spec.routing.maxLagSeconds'])).toContain('leaves the reads');
});
