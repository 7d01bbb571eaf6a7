import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { buildCrd } from '../../src/api/crd.ts';
import { instanceName, objectNames, podName, slotName, topologyNameMaxLength } from '../../src/api/names.ts';
import { buildReference } from '../../src/api/reference.ts';
import { specSchema } from '../../src/api/replicatedPostgresSpec.ts';
import { reservedParameters } from '../../src/api/reservedParameters.ts';
import { type StructuralSchema, structuralSchema } from '../../src/api/structuralSchema.ts';
import { serverSettings } from '../../src/postgres/serverSettings.ts';
import { smallestSpec } from '../fixtures/badInputs.ts';

const spec = structuralSchema(specSchema, 'spec');

/** Every schema below, with its path. */
function* nodesOf(schema: StructuralSchema, path: string): Generator<readonly [string, StructuralSchema]> {
  yield [path, schema];
  for (const [name, child] of Object.entries(schema.properties ?? {}))
    yield* nodesOf(child, `${path}.${name}`);
  if (schema.items !== undefined) yield* nodesOf(schema.items, `${path}[]`);
  if (schema.additionalProperties !== undefined) yield* nodesOf(schema.additionalProperties, `${path}[*]`);
}

test('the CRD is what the schemas say', () => {
  expect(parse(readFileSync('crds/replica-manager.io_replicatedpostgreses.yaml', 'utf8'))).toEqual(
    JSON.parse(JSON.stringify(buildCrd())),
  );
});

test('the API server fills in the same defaults as zod', () => {
  const filled = (schema: StructuralSchema): unknown =>
    Object.fromEntries(
      Object.entries(schema.properties ?? {})
        .filter(([, field]) => field.default !== undefined)
        .map(([name, field]) => [name, field.default]),
    );
  const { storage, ...rest } = specSchema.parse(smallestSpec);

  expect(filled(spec)).toEqual(rest);
  expect({
    ...(smallestSpec['storage'] as object),
    ...(filled(spec.properties?.['storage'] ?? {}) as object),
  }).toEqual(storage);
});

test('every text, list and map of the spec has a greatest size, or rules could not be bounded', () => {
  const endless = [...nodesOf(spec, 'spec')]
    .filter(
      ([, { type, enum: choices, maxLength, maxItems, maxProperties, additionalProperties }]) =>
        (type === 'string' && choices === undefined && maxLength === undefined) ||
        (type === 'array' && maxItems === undefined) ||
        (additionalProperties !== undefined && maxProperties === undefined),
    )
    .map(([path]) => path);

  expect(endless).toEqual([]);
});

test('messages of rules are one lower-case line without a full stop, and each is said once', () => {
  const messages = [...nodesOf(spec, 'spec')].flatMap(([path, schema]) =>
    (schema['x-kubernetes-validations'] ?? []).map(({ message }) => `${path}: ${message}`),
  );

  expect(messages.length).toBeGreaterThan(70);
  expect(messages.filter((message) => !/: [a-z].*[^.]$/.test(message))).toEqual([]);
  expect(new Set(messages).size).toBe(messages.length);
});

test('every reserved parameter is refused by name, with its reason', () => {
  for (const [name, reason] of Object.entries(reservedParameters)) {
    const problem = specSchema.safeParse({ ...smallestSpec, postgres: { parameters: { [name]: 'x' } } });
    expect(problem.error?.issues.map(({ message }) => message)).toContain(
      `remove ${name} from postgres.parameters: ${reason}`,
    );
  }
});

test('the longest topology has legal names for all of its objects', () => {
  const topology = 'o'.repeat(topologyNameMaxLength);
  const { pooler, ...names } = objectNames(topology);
  // Instances are numbered up to 99 and more over the years; a StatefulSet adds a hash of ten letters to its pods' labels.
  const instance = instanceName(topology, 999);
  const all = [
    ...Object.values(names),
    pooler('rw'),
    pooler('ro'),
    instance,
    podName(instance),
    `${instance}-${'h'.repeat(10)}`,
  ];

  expect(all.filter((name) => name.length > 63)).toEqual([]);
  expect(slotName(instance)).toMatch(/^[a-z0-9_]{1,63}$/);
});

test('the reference names every field of the spec', () => {
  const reference = buildReference();
  const missing = [...nodesOf(spec, 'spec')]
    .map(([path]) =>
      path
        .replace(/\[[*]?\]/g, '')
        .split('.')
        .at(-1),
    )
    .filter((name) => !reference.includes(`\`${name}\``) && name !== 'spec');

  expect(missing).toEqual([]);
});

test('no parameter that a person may give is overwritten silently by the agent', () => {
  const input = {
    instance: 'orders-2',
    maxSlotWalKeepSizeBytes: 2 ** 33,
    source: { host: 'h', user: 'u', slot: 's' },
    floors: {},
    places: { tlsDir: '/tls', socketDir: '/run', listenAddresses: '*', port: 5432 },
  };
  const overwritten = Object.keys(serverSettings({ ...input, parameters: {} })).filter(
    (name) => serverSettings({ ...input, parameters: { [name]: '99' } })[name] !== '99',
  );

  expect(overwritten.length).toBeGreaterThan(20);
  expect(overwritten.filter((name) => !(name in reservedParameters))).toEqual([]);
});
