import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EndpointsDocument } from '../../src/endpoints/endpointsDocument.ts';
import { EndpointsParseError, parseEndpoints } from '../../src/endpoints/parseEndpoints.ts';
import { endpointsDocument } from '../fixtures/endpointsDocument.ts';

/** What the parser says about a text that is no document. */
function refusal(text: string): string {
  try {
    parseEndpoints(text);
  } catch (error) {
    if (error instanceof EndpointsParseError) return error.message;
    throw error;
  }
  return 'accepted';
}

/** The usual document with one value put at a path; `undefined` removes the field. */
function withValue(path: string, value: unknown): string {
  const document: unknown = structuredClone(endpointsDocument());
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let at = document as Record<string, unknown>;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return JSON.stringify(document);
}

test('the example of the design is read as it is written', () => {
  const document = endpointsDocument();
  expect(parseEndpoints(JSON.stringify(document))).toEqual(document);
});

test('a document without primary, replicas, poolers and identifiers is complete', () => {
  const document = endpointsDocument({
    topology: { namespace: 'shop', name: 'orders', systemIdentifier: null },
    timeline: null,
    primary: null,
    replicas: [],
    poolers: { readWrite: null, readOnly: null },
  });
  expect(parseEndpoints(JSON.stringify(document))).toEqual(document);
});

test('an announced switchover is read as it is written, and none is the same as null', () => {
  const document = endpointsDocument({ switchover: { to: 'orders-2', id: '13-a7', holdMs: 5_000 } });
  expect(parseEndpoints(JSON.stringify(document))).toEqual(document);
  expect(parseEndpoints(withValue('switchover', null))).toStrictEqual(endpointsDocument());
});

test('fields that a later operator adds are dropped, not refused', () => {
  expect(parseEndpoints(withValue('replicas.0.temperature', 21))).toEqual(endpointsDocument());
});

const refusals: readonly [string, unknown, string][] = [
  ['version', 2, 'version: expected version 1, the one this release reads, found 2'],
  ['version', undefined, 'version: expected version 1, the one this release reads, found nothing'],
  ['topology', null, 'topology: expected an object, found null'],
  ['topology.name', '', 'topology.name: expected a name, found ""'],
  ['topology.systemIdentifier', 7421, 'topology.systemIdentifier: expected text, found 7421'],
  [
    'topology.systemIdentifier',
    'x',
    'topology.systemIdentifier: expected the digits of a system identifier, found "x"',
  ],
  ['epoch', -1, 'epoch: expected a whole number from 0 on, found -1'],
  ['epoch', '12', 'epoch: expected a whole number from 0 on, found "12"'],
  ['generation', 1.5, 'generation: expected a whole number from 0 on, found 1.5'],
  ['generation', 2 ** 53, 'generation: expected a whole number from 0 on, found 9007199254740992'],
  ['timeline', undefined, 'timeline: expected a whole number from 0 on, found nothing'],
  ['publishedAt', 'yesterday', 'publishedAt: expected an RFC 3339 timestamp, found "yesterday"'],
  [
    'publishedAt',
    '2026-13-40T10:00:00Z',
    'publishedAt: expected an RFC 3339 timestamp, found "2026-13-40T10:00:00Z"',
  ],
  ['primary', undefined, 'primary: expected an object, found nothing'],
  ['primary.host', '/tmp', 'primary.host: expected a host name or an IP address, found "/tmp"'],
  ['primary.host', 'a b', 'primary.host: expected a host name or an IP address, found "a b"'],
  ['primary.port', 0, 'primary.port: expected a port number from 1 to 65535, found 0'],
  ['primary.port', 70_000, 'primary.port: expected a port number from 1 to 65535, found 70000'],
  ['primary.port', '5432', 'primary.port: expected a port number from 1 to 65535, found "5432"'],
  ['primary.zone', undefined, 'primary.zone: expected text, found nothing'],
  ['replicas', {}, 'replicas: expected a list, found {}'],
  ['replicas.1', null, 'replicas[1]: expected an object, found null'],
  ['replicas.1.weight', -1, 'replicas[1].weight: expected a number from 0 on, found -1'],
  ['replicas.1.routable', 'yes', 'replicas[1].routable: expected true or false, found "yes"'],
  ['replicas.1.reason', 5, 'replicas[1].reason: expected text, found 5'],
  [
    'replicas.1.lagSeconds',
    'unknown',
    'replicas[1].lagSeconds: expected a number from 0 on, found "unknown"',
  ],
  ['replicas.1.name', 'orders-2', 'replicas[1].name: expected a name of its own, found "orders-2"'],
  ['replicas.1.name', 'orders-1', 'replicas[1].name: expected a name of its own, found "orders-1"'],
  ['poolers.readOnly', 'x', 'poolers.readOnly: expected an object, found "x"'],
  ['routing.fallbackToPrimary', 1, 'routing.fallbackToPrimary: expected true or false, found 1'],
  ['switchover', 'orders-2', 'switchover: expected an object, found "orders-2"'],
  ['switchover', { id: 'a', holdMs: 1 }, 'switchover.to: expected text, found nothing'],
  ['switchover', { to: 'orders-2', id: 'a b', holdMs: 1 }, 'switchover.id: expected one word, found "a b"'],
  [
    'switchover',
    { to: 'orders-2', id: 'a', holdMs: 60_001 },
    'switchover.holdMs: expected a whole number from 1 to 60000, found 60001',
  ],
  ['routing.resumeLagSeconds', 11, 'routing.resumeLagSeconds: expected at most maxLagSeconds (10), found 11'],
];

test.each(refusals)('%s = %j is refused with its path and what was expected', (path, value, message) => {
  expect(refusal(withValue(path, value))).toBe(`endpoints document: ${message}`);
});

test.each([
  ['', 'expected a JSON object, found nothing'],
  [' \n', 'expected a JSON object, found nothing'],
  ['{"version": 1', 'expected valid JSON, found "{\\"version\\": 1"'],
  ['[]', 'expected an object, found []'],
  ['null', 'expected an object, found null'],
  [' '.repeat(1024 * 1024) + 1, 'expected at most 1048576 characters, found 1048577'],
])('a text that is no object is refused', (text, message) => {
  expect(refusal(text)).toBe(`endpoints document: ${message}`);
});

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/);
const endpoint = {
  host: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()),
  port: fc.integer({ min: 1, max: 65_535 }),
};
const amount = fc.nat({ max: 1_000_000 });
const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const replica = fc.record({
  name: name.map((it) => `replica-${it}`),
  ...endpoint,
  zone: orNull(fc.string()),
  weight: amount,
  routable: fc.boolean(),
  reason: orNull(fc.string()),
  lagSeconds: orNull(amount),
  lagBytes: orNull(amount),
});
const documents: fc.Arbitrary<EndpointsDocument> = fc.record({
  version: fc.constant(1 as const),
  topology: fc.record({
    namespace: name,
    name,
    systemIdentifier: orNull(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)),
  }),
  epoch: fc.nat(),
  generation: fc.nat(),
  timeline: orNull(fc.nat()),
  publishedAt: fc
    .date({ min: new Date(0), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true })
    .map((it) => it.toISOString()),
  primary: orNull(
    fc.record({ name: name.map((it) => `primary-${it}`), ...endpoint, zone: orNull(fc.string()) }),
  ),
  replicas: fc.uniqueArray(replica, { selector: (it) => it.name, maxLength: 5 }),
  poolers: fc.record({ readWrite: orNull(fc.record(endpoint)), readOnly: orNull(fc.record(endpoint)) }),
  routing: fc
    .record({ maxLagSeconds: amount, resumeLagSeconds: amount, fallbackToPrimary: fc.boolean() })
    .map((it) => ({ ...it, resumeLagSeconds: Math.min(it.resumeLagSeconds, it.maxLagSeconds) })),
});

test('every document that can be published is read back unchanged', () => {
  fc.assert(
    fc.property(documents, (document) => {
      expect(parseEndpoints(JSON.stringify(document))).toEqual(document);
    }),
  );
});

test('a document that lacks any one of its fields is refused by the name of that field', () => {
  const paths = (value: unknown, path: string[] = []): string[][] =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([key, inner]) => [
          ...(Array.isArray(value) ? [] : [[...path, key]]),
          ...paths(inner, [...path, key]),
        ])
      : [];
  for (const path of paths(endpointsDocument())) {
    const spelled = path.join('.').replace(/\.(\d)\b/g, '[$1]');
    expect(refusal(withValue(path.join('.'), undefined))).toContain(
      `endpoints document: ${spelled}: expected`,
    );
  }
});

test('a text cut off anywhere is refused and never throws anything else', () => {
  const text = JSON.stringify(endpointsDocument());
  for (let length = 0; length < text.length; length += 1) {
    expect(refusal(text.slice(0, length))).not.toBe('accepted');
  }
});

test('no JSON value, alone or in place of a field, makes the parser throw anything but its own error', () => {
  const path = fc.constantFrom(
    'topology',
    'primary',
    'primary.host',
    'replicas',
    'replicas.0',
    'poolers',
    'routing',
  );
  fc.assert(
    fc.property(fc.jsonValue(), path, (value, at) => {
      expect(refusal(JSON.stringify(value))).not.toBe('accepted');
      const text = withValue(at, value);
      if (refusal(text) === 'accepted')
        expect(parseEndpoints(JSON.stringify(parseEndpoints(text)))).toEqual(parseEndpoints(text));
    }),
  );
});
