import type { z } from 'zod';
import { nameSchema } from './nameSchema.ts';
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
 * before a rule existed. Problems are sentences that name the field and say what to do. Fields that are not
 * known are left out, at every level: a newer CRD may have filled them in already.
 */
export function parseReplicatedPostgres(
  object: Omit<ReplicatedPostgres, 'spec'> & { readonly spec?: unknown },
): ParsedTopology {
  const name = nameSchema.safeParse(object.metadata.name);
  const spec = specSchema.safeParse(object.spec ?? {});
  if (name.success && spec.success) return { kind: 'valid', topology: { ...object, spec: spec.data } };
  return {
    kind: 'invalid',
    problems: [...problemsOf('metadata.name', name), ...problemsOf('spec', spec)],
  };
}

const problemsOf = (root: string, { error }: z.ZodSafeParseResult<unknown>): readonly string[] =>
  error?.issues.map(({ path, message }) => `${root}${path.map(pathStep).join('')}: ${message}`) ?? [];

/** As the API server writes paths: `spec.postgres.hba[0]`. */
const pathStep = (step: PropertyKey): string => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`);

/** quorum from three instances on, unless the spec says otherwise: with two, one lost replica would stop all writes. */
export function effectiveDurability(spec: ReplicatedPostgresSpec): 'quorum' | 'async' {
  return spec.replication.durability ?? (spec.instances >= 3 ? 'quorum' : 'async');
}
