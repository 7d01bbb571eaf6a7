import { topologyNameMaxLength } from './names.ts';
import { type ReplicatedPostgresSpec, specSchema } from './replicatedPostgresSpec.ts';
import type { ReplicatedPostgresStatus } from './replicatedPostgresStatus.ts';

/** A topology as the operator works with it: every default filled in. */
export interface ReplicatedPostgres {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly generation: number;
    readonly resourceVersion: string;
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: ReplicatedPostgresSpec;
  readonly status?: ReplicatedPostgresStatus;
}

export type ParsedTopology =
  | { readonly kind: 'valid'; readonly topology: ReplicatedPostgres }
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

/**
 * Checks an object from the API again and fills in defaults, because an object may have been stored
 * before a rule existed. Problems are sentences that name the field and say what to do.
 */
export function parseReplicatedPostgres(
  object: Omit<ReplicatedPostgres, 'spec'> & { readonly spec?: unknown },
): ParsedTopology {
  const parsed = specSchema.safeParse(object.spec ?? {});
  const problems: string[] = [];
  if (object.metadata.name.length > topologyNameMaxLength) {
    problems.push(
      `metadata.name must not be longer than ${topologyNameMaxLength} characters, names of other objects are made from it`,
    );
  }
  if (!parsed.success) {
    problems.push(...parsed.error.issues.map((issue) => `spec.${issue.path.join('.')}: ${issue.message}`));
    return { kind: 'invalid', problems };
  }
  if (parsed.data.routing.resumeLagSeconds > parsed.data.routing.maxLagSeconds) {
    problems.push('spec.routing.resumeLagSeconds must not be above spec.routing.maxLagSeconds');
  }
  return problems.length > 0
    ? { kind: 'invalid', problems }
    : { kind: 'valid', topology: { ...object, spec: parsed.data } };
}

/** quorum from three instances on, unless the spec says otherwise: with two, one lost replica would stop all writes. */
export function effectiveDurability(spec: ReplicatedPostgresSpec): 'quorum' | 'async' {
  return spec.replication.durability ?? (spec.instances >= 3 ? 'quorum' : 'async');
}
