// zod → the structural schema of a CustomResourceDefinition. In: a schema of src/api. Out: OpenAPI v3 as
// the API server accepts it, with every default and description.
// Invariant: nothing is lost silently. What Kubernetes cannot express is an error that names the place, so
// that a rule which exists for the operator but not for the API server is noticed when it is written.
// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
import { z } from 'zod';

export interface StructuralSchema {
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly maximum?: number;
  readonly exclusiveMaximum?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: StructuralSchema;
  readonly items?: StructuralSchema;
  readonly nullable?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: true;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly StatedRule[];
}

export interface StatedRule {
  readonly rule: string;
  readonly message: string;
}

type Node = Readonly<Record<string, unknown>>;

const kept: ReadonlySet<string> = new Set(
  [
    ['type', 'description', 'default', 'enum', 'nullable', 'required'],
    ['minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum', 'minLength', 'maxLength'],
    ['minItems', 'maxItems', 'minProperties', 'maxProperties'],
    ['x-kubernetes-list-type', 'x-kubernetes-list-map-keys', 'x-kubernetes-validations'],
  ].flat(),
);
/** Read by the functions below. `propertyNames` says only that keys are text, which they always are. */
const handled: ReadonlySet<string> = new Set(
  'properties additionalProperties items format pattern propertyNames'.split(' '),
);
/** Kinds of zod schemas that JSON Schema states loosely or not at all. */
const invisible: ReadonlySet<string> = new Set(['pipe', 'transform', 'tuple', 'catch', 'lazy']);
const formats = new Set(['date-time', 'int32', 'int64', 'double']);

/**
 * Translates a schema.
 *
 * @param path what the schema describes, for messages: `spec`
 * @throws Error that names the field for what is not structural: unions, tuples, recursion, dates, unknown
 *   formats, fields without a description
 */
export function structuralSchema(schema: z.ZodType, path: string): StructuralSchema {
  const json = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    reused: 'inline',
    cycles: 'throw',
    unrepresentable: 'throw',
    override: ({ zodSchema, path: steps }) => {
      const { type } = zodSchema._zod.def;
      if (invisible.has(type)) {
        const place = [path, ...steps].filter((step) => step !== 'properties').join('.');
        throw new Error(`${place}: "${type}" is not structural, the API server could not check it`);
      }
    },
  });
  return structuralNode(json as Node, path);
}

function structuralNode(node: Node, path: string): StructuralSchema {
  for (const keyword of Object.keys(node)) {
    if (keyword === '$schema' || kept.has(keyword) || handled.has(keyword)) continue;
    throw new Error(
      `${path}: "${keyword}" is not structural, write it as optional fields and a rule (withRules)`,
    );
  }
  if (typeof node['type'] !== 'string') {
    throw new Error(`${path}: a type is needed, use z.looseObject({}) for what is passed through`);
  }
  return withFullDefault({
    ...Object.fromEntries(Object.entries(node).filter(([keyword]) => kept.has(keyword))),
    ...numberKeywords(node),
    ...textKeywords(node, path),
    ...objectKeywords(node, path),
    ...(isNode(node['items']) && { items: structuralNode(node['items'], `${path}[]`) }),
  });
}

/** The API server checks the default of an object against its rules before it fills in those of its fields. */
function withFullDefault(schema: StructuralSchema): StructuralSchema {
  if (!isNode(schema.default) || schema.properties === undefined) return schema;
  const defaults = Object.entries(schema.properties)
    .filter(([, property]) => property.default !== undefined)
    .map(([name, property]) => [name, property.default]);
  return { ...schema, default: { ...Object.fromEntries(defaults), ...schema.default } };
}

/** Bounds that only say "fits into the type" become a format. */
function numberKeywords(node: Node): Partial<StructuralSchema> {
  if (node['type'] !== 'integer') return {};
  const { minimum, maximum } = node;
  const isInt32 = typeof minimum === 'number' && typeof maximum === 'number' && maximum <= 2 ** 31 - 1;
  return {
    format: isInt32 ? 'int32' : 'int64',
    ...withoutTypeBound('minimum', minimum),
    ...withoutTypeBound('maximum', maximum),
  };
}

function withoutTypeBound(keyword: 'minimum' | 'maximum', bound: unknown): Partial<StructuralSchema> {
  const isTypeBound =
    typeof bound === 'number' &&
    [2 ** 31 - 1, -(2 ** 31), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER].includes(bound);
  return isTypeBound ? ({ [keyword]: undefined } as Partial<StructuralSchema>) : {};
}

function textKeywords(node: Node, path: string): Partial<StructuralSchema> {
  const { type, format, pattern } = node;
  if (type !== 'string') return {};
  if (typeof format === 'string') {
    if (!formats.has(format)) throw new Error(`${path}: the API server does not know the format "${format}"`);
    return { format };
  }
  if (pattern !== undefined) {
    throw new Error(`${path}: use shaped() instead of a pattern, so that the message says what to write`);
  }
  return {};
}

/** Unknown fields of an object are pruned by the API server, or refused if the client asks for that. */
function objectKeywords(node: Node, path: string): Partial<StructuralSchema> {
  if (node['type'] !== 'object') return {};
  const { properties, additionalProperties } = node;
  const entries = isNode(properties) ? Object.entries(properties) : [];
  if (entries.length === 0) {
    return isNode(additionalProperties) && Object.keys(additionalProperties).length > 0
      ? { additionalProperties: structuralNode(additionalProperties, `${path}[*]`) }
      : { 'x-kubernetes-preserve-unknown-fields': true };
  }
  if (isNode(additionalProperties)) {
    throw new Error(`${path}: known and unknown fields side by side are not structural, use z.object`);
  }
  return {
    properties: Object.fromEntries(
      entries.map(([name, child]) => [name, structuralProperty(child, `${path}.${name}`)]),
    ),
  };
}

function structuralProperty(child: unknown, path: string): StructuralSchema {
  if (!isNode(child)) throw new Error(`${path}: nothing is said about this field`);
  if (typeof child['description'] !== 'string') {
    throw new Error(`${path}: a description is needed, kubectl explain prints it (.meta({ description }))`);
  }
  return structuralNode(child, path);
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;
