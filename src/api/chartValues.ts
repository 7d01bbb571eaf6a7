// The values of the chart in charts/replica-manager: the source of its values.schema.json, with which helm
// refuses a misspelled value before anything is installed.
import { z } from 'zod';

const text = (description: string) => z.string().meta({ description });
const stringMap = (description: string) => z.record(z.string(), z.string()).default({}).meta({ description });
/** Parts of Kubernetes' own API, passed through to the Deployment. */
const passedThrough = (description: string) => z.looseObject({}).default({}).meta({ description });
const passedThroughList = (description: string) =>
  z.array(z.looseObject({})).default([]).meta({ description });

const image = z.strictObject({
  repository: text('Image of the operator, without a tag.').min(1).default('replica-manager'),
  tag: text("Defaults to the chart's appVersion.").default(''),
  pullPolicy: z
    .enum(['Always', 'IfNotPresent', 'Never'])
    .default('IfNotPresent')
    .meta({ description: 'When the image is pulled.' }),
});

const serviceAccount = z.strictObject({
  create: z.boolean().default(true).meta({ description: 'Whether the chart makes the ServiceAccount.' }),
  name: text('Its name; defaults to that of the release.').max(253).default(''),
  annotations: stringMap('Annotations of the ServiceAccount.'),
});

const defaultResources = { requests: { cpu: '64m', memory: '128Mi' }, limits: { memory: '256Mi' } };

export const chartValuesSchema = z.strictObject({
  image: image.prefault({}).meta({
    description:
      'Image of the operator. Pods of topologies take the agent from it, so it must be pullable in their namespaces too.',
  }),
  poolerImage: text(
    "Image with PgBouncer for topologies that name none. Defaults to replica-manager-pgbouncer with the chart's appVersion.",
  ).default(''),
  imagePullSecrets: passedThroughList('Secrets for pulling the image of the operator.'),
  replicas: z.int32().min(0).max(5).default(2).meta({
    description: 'Pods of the operator. One of them works, the others take over within 17 s.',
  }),
  watchNamespaces: z
    .array(z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/))
    .default([])
    .meta({
      description:
        'Namespaces whose topologies the operator runs. Empty: all. They must exist, and the operator gets rights in these only.',
    }),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error'])
    .default('info')
    .meta({ description: 'Least severe level that is logged.' }),
  crds: z
    .strictObject({
      install: z.boolean().default(true).meta({
        description: 'Whether the chart installs and upgrades the CRD. helm uninstall always keeps it.',
      }),
    })
    .prefault({})
    .meta({ description: 'The CustomResourceDefinition.' }),
  serviceAccount: serviceAccount.prefault({}).meta({ description: 'The account that the operator runs as.' }),
  metrics: z
    .strictObject({ annotations: stringMap('Annotations of the Service, for example for a scraper.') })
    .prefault({})
    .meta({ description: 'The Service in front of /metrics.' }),
  resources: passedThrough('Resource requests and limits of the operator.').default(defaultResources),
  nodeSelector: stringMap('Node selector of the operator.'),
  tolerations: passedThroughList('Tolerations of the operator.'),
  affinity: passedThrough('Affinity of the operator. Defaults to a preference for different nodes.'),
  priorityClassName: text('Priority class of the operator.').default(''),
  podAnnotations: stringMap('Additional annotations of the operator pods.'),
  podLabels: stringMap('Additional labels of the operator pods.'),
  global: z.looseObject({}).default({}).meta({ description: 'Not used; helm hands it to every chart.' }),
});

/** JSON Schema as helm reads it. */
export const buildValuesSchema = () =>
  z.toJSONSchema(chartValuesSchema, { target: 'draft-7', io: 'input', reused: 'inline' });
