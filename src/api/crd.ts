// The CustomResourceDefinition of ReplicatedPostgres, made from the schemas of its spec and status.
import { nameSchema } from './nameSchema.ts';
import { apiGroup, kind, plural } from './names.ts';
import { specSchema } from './replicatedPostgresSpec.ts';
import { statusSchema } from './replicatedPostgresStatus.ts';
import { type StatedRule, structuralSchema } from './structuralSchema.ts';

const singular = 'replicatedpostgres';
export const shortName = 'rpg';

/** The only rules about metadata that a schema may state are rules at its root. */
const nameRules: readonly StatedRule[] = (
  structuralSchema(nameSchema, 'metadata.name')['x-kubernetes-validations'] ?? []
).map(({ rule, message }) => ({ rule: rule.replace('self', 'self.metadata.name'), message }));

export const printerColumns = [
  { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'One word for the whole.' },
  {
    name: 'Primary',
    type: 'string',
    jsonPath: '.status.primary.name',
    description: 'The instance that accepts writes.',
  },
  {
    name: 'Ready',
    type: 'string',
    jsonPath: '.status.readySummary',
    description: 'Instances that answer, of all.',
  },
  {
    name: 'Replicas',
    type: 'integer',
    jsonPath: '.spec.instances',
    description: 'Instances that are asked for.',
  },
  {
    name: 'Max-Lag',
    type: 'string',
    jsonPath: '.status.maxLag',
    description: 'Largest lag of a replica; unknown is not 0.',
  },
  {
    name: 'Routable',
    type: 'integer',
    jsonPath: '.status.routableReplicas',
    description: 'Replicas that serve reads.',
  },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since creation.' },
] as const;

/** What `kubectl apply` of crds/ installs, as a plain object. */
export function buildCrd() {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${apiGroup}` },
    spec: {
      group: apiGroup,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular,
        shortNames: [shortName],
        categories: ['all'],
      },
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          additionalPrinterColumns: printerColumns,
          schema: { openAPIV3Schema: rootSchema() },
          subresources: {
            status: {},
            scale: {
              specReplicasPath: '.spec.instances',
              statusReplicasPath: '.status.replicas',
              labelSelectorPath: '.status.selector',
            },
          },
        },
      ],
    },
  } as const;
}

function rootSchema() {
  return {
    type: 'object',
    description:
      'A PostgreSQL topology: one primary, its streaming replicas, poolers, and the endpoints that applications route by.',
    required: ['spec'],
    'x-kubernetes-validations': nameRules,
    properties: {
      apiVersion: { type: 'string', description: 'Version of the API: replica-manager.io/v1.' },
      kind: { type: 'string', description: 'Kind of the object: ReplicatedPostgres.' },
      metadata: { type: 'object' },
      spec: { ...structuralSchema(specSchema, 'spec'), description: 'What the topology should be.' },
      status: {
        ...structuralSchema(statusSchema, 'status'),
        description: 'What the topology is, written by the operator.',
      },
    },
  } as const;
}
