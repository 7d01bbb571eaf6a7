// docs/reference/api.md, made from the schemas: every field with its type, default, bounds, description and
// rules, and what the operator reports and names. Text that only repeats a schema is never written by hand.
import { printerColumns, shortName } from './crd.ts';
import { nameSchema } from './nameSchema.ts';
import { annotations, apiVersion, databaseRoles, kind, labels, objectNames, ports } from './names.ts';
import { specSchema } from './replicatedPostgresSpec.ts';
import { conditionMeanings, phaseMeanings, statusSchema } from './replicatedPostgresStatus.ts';
import { reservedParameters } from './reservedParameters.ts';
import { type StructuralSchema, structuralSchema } from './structuralSchema.ts';

export function buildReference(): string {
  const sections = [
    `# ${kind}`,
    '<!-- Made from src/api by `make crds docs`. -->',
    `\`${apiVersion}\`, namespaced, short name \`${shortName}\`. The smallest one that works:`,
    '```yaml\napiVersion: replica-manager.io/v1\nkind: ReplicatedPostgres\nmetadata: {name: orders}\nspec:\n  storage: {size: 10Gi}\n```',
    'What is wrong is refused by the API server when it is written, with a message that says what to do. What only the operator can see becomes a condition.',
    '## Name',
    ruleList(structuralSchema(nameSchema, 'metadata.name')),
    '## spec',
    ...objectSections(structuralSchema(specSchema, 'spec'), 'spec'),
    '## Reserved parameters',
    'These cannot be given in `spec.postgres.parameters`:',
    table(
      ['Parameter', 'Why, and what to use instead'],
      Object.entries(reservedParameters).map(([name, reason]) => [code(name), reason]),
    ),
    '## status',
    'Written by the operator. What is not known is left out, never 0.',
    ...objectSections(structuralSchema(statusSchema, 'status'), 'status'),
    '## Phases',
    meanings('Phase', phaseMeanings),
    '## Conditions',
    meanings('Type', conditionMeanings),
    '## Columns of kubectl get',
    table(
      ['Column', 'Field', 'Meaning'],
      printerColumns.map(({ name, jsonPath, description }) => [
        name.toUpperCase(),
        code(jsonPath),
        description,
      ]),
    ),
    ...namesSections(),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

/** A table of the fields of an object, then one section for each field that is an object or a list of them. */
function objectSections(schema: StructuralSchema, path: string): string[] {
  const fields = Object.entries(schema.properties ?? {});
  const required = new Set(schema.required);
  const rows = fields.map(([name, field]) => [
    code(name),
    typeOf(field),
    required.has(name) ? 'required' : defaultOf(field),
    bounds(field),
    [field.description, ...rulesOf(field, name)].join('<br>'),
  ]);
  const children = fields.flatMap(([name, field]) => {
    const [child, suffix] = field.items === undefined ? [field, ''] : [field.items, '[]'];
    if (child.properties === undefined) return [];
    const childPath = `${path}.${name}${suffix}`;
    return [`### ${childPath}`, field.description ?? '', ...objectSections(child, childPath)];
  });
  return [
    table(['Field', 'Type', 'Default', 'Bounds', 'Meaning and rules'], rows),
    ruleList(schema),
    ...children,
  ];
}

function typeOf(schema: StructuralSchema): string {
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`;
  if (schema.additionalProperties !== undefined) return `map of ${typeOf(schema.additionalProperties)}`;
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(', ');
  return schema.format === 'date-time' ? 'time' : (schema.type ?? 'any');
}

function defaultOf(schema: StructuralSchema): string {
  if (schema.properties !== undefined || schema.default === undefined) return '';
  return code(typeof schema.default === 'string' ? schema.default : JSON.stringify(schema.default));
}

function bounds(schema: StructuralSchema): string {
  const { minimum, exclusiveMinimum, maximum, maxLength, maxItems, maxProperties } = schema;
  const least = exclusiveMinimum === true ? `more than ${minimum}` : minimum;
  const most = maxItems ?? maxProperties;
  return [
    minimum !== undefined && maximum !== undefined ? `${least} to ${maximum}` : '',
    maxLength === undefined ? '' : `${maxLength} characters`,
    most === undefined ? '' : `${most} entries`,
  ]
    .filter((bound) => bound !== '')
    .join(', ');
}

/** Rules of a value, of the items of a list and of the values of a map. Those of objects stand below their table. */
function rulesOf(schema: StructuralSchema, name: string): string[] {
  if (schema.properties !== undefined) return [];
  const own = (schema['x-kubernetes-validations'] ?? [])
    .map(({ message }) => message)
    .filter((message) => !message.startsWith('remove ') || !/ from postgres\.parameters: /.test(message));
  const inner = [schema.items, schema.additionalProperties].filter((child) => child !== undefined);
  const reserved = name === 'parameters' ? ['Some are [reserved](#reserved-parameters).'] : [];
  return [
    ...own.map((message) => `Rule: ${message}`),
    ...reserved,
    ...inner.flatMap((child) => rulesOf(child, '')),
  ];
}

function ruleList(schema: StructuralSchema): string {
  const rules = schema['x-kubernetes-validations'] ?? [];
  return rules.map(({ message }) => `- ${message}`).join('\n');
}

function namesSections(): string[] {
  const names = Object.entries(objectNames('orders')).filter(([, name]) => typeof name === 'string');
  return [
    '## Labels and annotations',
    meanings('Label', {
      [labels.topology]: 'On every object of a topology: its name.',
      [labels.topologyUid]: 'On claims: the uid of the ReplicatedPostgres that they were made for.',
      [labels.instance]: 'On every object of an instance: its name, for example `orders-1`.',
      [labels.role]: 'On instance pods: `primary` or `replica`. Put there by the agent.',
      [labels.routable]:
        'On instance pods: `true` while clients may read from it. Put there by the operator.',
      [labels.pooler]: 'On pooler objects: `rw` or `ro`.',
      [labels.component]: 'What an object is: `instance`, `pooler`, `routing` or `access`.',
      [labels.managedBy]: 'Who writes the object.',
    }),
    meanings('Annotation', {
      [annotations.applied]: 'On every object: what the operator applied last, as a hash.',
      [annotations.systemIdentifier]: 'On the Lease: identifier of the database system. Never removed.',
      [annotations.timeline]: 'On the Lease: timeline of the primary when it renewed last.',
      [annotations.walPosition]: 'On the Lease: WAL position of the primary when it renewed last.',
    }),
    '## Objects of a topology called orders',
    table(
      ['What', 'Name'],
      [
        ...names.map(([what, name]) => [words(what), code(String(name))]),
        [
          'StatefulSet of the first instance, its pod and its volume',
          '`orders-1`, `orders-1-0`, `data-orders-1-0`',
        ],
        ['poolers and their Services', '`orders-pooler-rw`, `orders-pooler-ro`'],
      ],
    ),
    '## Ports',
    table(
      ['What', 'Port'],
      Object.entries(ports).map(([what, port]) => [words(what), String(port)]),
    ),
    '## Roles inside PostgreSQL',
    'They belong to the operator; `bootstrap.owner` must not be one of them.',
    table(
      ['What', 'Role'],
      Object.entries(databaseRoles).map(([what, role]) => [words(what), code(role)]),
    ),
  ];
}

const meanings = (head: string, rows: Readonly<Record<string, string>>): string =>
  table(
    [head, 'Meaning'],
    Object.entries(rows).map(([name, meaning]) => [code(name), meaning]),
  );

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replace(/<(?!br>)/g, '&lt;')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const code = (text: string): string => `\`${text}\``;
/** `primaryService` → `primary service`. */
const words = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
