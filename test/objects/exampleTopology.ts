import { parseReplicatedPostgres, type ReplicatedPostgres } from '../../src/api/replicatedPostgres.ts';

/** A topology as the operator reads it; what is not said has its default. */
export function exampleTopology({
  name = 'orders',
  namespace = 'shop',
  spec = {},
}: {
  readonly name?: string;
  readonly namespace?: string;
  readonly spec?: Readonly<Record<string, unknown>>;
} = {}): ReplicatedPostgres {
  const parsed = parseReplicatedPostgres({
    apiVersion: 'replica-manager.io/v1',
    kind: 'ReplicatedPostgres',
    metadata: {
      name,
      namespace,
      uid: '6f1c8a52-0d5e-4f0e-9a55-3b8f5f1d2c10',
      generation: 1,
      resourceVersion: '1',
    },
    spec: { storage: { size: '10Gi' }, ...spec },
  });
  if (parsed.kind === 'invalid') throw new Error(parsed.problems.join('\n'));
  return parsed.topology;
}
