import { expect, test } from 'vitest';
import { z } from 'zod';
import { immutable, shaped, withRules } from '../../src/api/rule.ts';
import { structuralSchema } from '../../src/api/structuralSchema.ts';

const described = { description: 'A field.' };

test('defaults, bounds, formats and descriptions reach the API server', () => {
  const schema = z.strictObject({
    count: z.int32().min(1).max(15).default(3).meta(described),
    big: z.int().optional().meta(described),
    ratio: z.number().positive().optional().meta(described),
    at: z.iso.datetime().optional().meta(described),
    mode: z.enum(['on', 'off']).meta(described),
    labels: z
      .record(z.string(), z.string().max(63))
      .default({})
      .meta({ ...described, maxProperties: 4 }),
    anything: z.looseObject({}).optional().meta(described),
    list: z.array(z.string().max(9)).max(2).optional().meta(described),
  });

  expect(structuralSchema(schema, 'spec')).toEqual({
    type: 'object',
    required: ['mode'],
    properties: {
      count: { ...described, type: 'integer', format: 'int32', minimum: 1, maximum: 15, default: 3 },
      big: { ...described, type: 'integer', format: 'int64' },
      ratio: { ...described, type: 'number', minimum: 0, exclusiveMinimum: true },
      at: { ...described, type: 'string', format: 'date-time' },
      mode: { ...described, type: 'string', enum: ['on', 'off'] },
      labels: {
        ...described,
        type: 'object',
        default: {},
        maxProperties: 4,
        additionalProperties: { type: 'string', maxLength: 63 },
      },
      anything: { ...described, type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      list: { ...described, type: 'array', maxItems: 2, items: { type: 'string', maxLength: 9 } },
    },
  });
});

test('the default of an object holds those of its fields, because rules are checked on it as it stands', () => {
  const inner = z.strictObject({
    a: z.int32().default(1).meta(described),
    b: z.string().optional().meta(described),
  });
  const schema = z.strictObject({ inner: inner.prefault({}).meta(described) });

  expect(structuralSchema(schema, 'spec').properties?.['inner']?.default).toEqual({ a: 1 });
});

test('rules are kept in order, through defaults and on objects', () => {
  const name = withRules(
    withRules(z.string().max(9), shaped('^[a-z]+$', 'write letters')),
    immutable('the name', 'make another'),
  );

  expect(structuralSchema(name, 'name')['x-kubernetes-validations']).toEqual([
    { rule: "self.matches('^[a-z]+$')", message: 'write letters' },
    { rule: 'self == oldSelf', message: 'the name cannot be changed, make another' },
  ]);
  expect(name.safeParse('A').error?.issues.map(({ message }) => message)).toEqual(['write letters']);
});

const refused = {
  'a union': [z.union([z.string(), z.int()]), /spec\.field: "anyOf" is not structural/],
  'a tuple': [z.tuple([z.string(), z.int()]), /spec\.field: "tuple" is not structural/],
  'something unknown': [z.unknown(), /spec\.field: a type is needed/],
  'a date': [z.date(), /Date cannot be represented/],
  'a transformation': [z.string().transform(Number), /spec\.field: "pipe" is not structural/],
  'a pattern without words': [z.string().regex(/a/), /spec\.field: use shaped\(\)/],
  'a format that Kubernetes does not know': [z.emoji(), /spec\.field: .*(format|shaped)/],
  'known and unknown fields side by side': [
    z.looseObject({ a: z.string().meta(described) }),
    /spec\.field: known and unknown fields/,
  ],
} as const;

test.each(Object.entries(refused))('%s is refused where it is written', (_, [field, message]) => {
  const schema = z.strictObject({ field: (field as z.ZodType).meta(described) });

  expect(() => structuralSchema(schema, 'spec')).toThrow(message);
});

test('a field without a description is refused, at any depth', () => {
  const schema = z.strictObject({ list: z.array(z.strictObject({ bare: z.string() })).meta(described) });

  expect(() => structuralSchema(schema, 'spec')).toThrow(/spec\.list\[\]\.bare: a description is needed/);
});
