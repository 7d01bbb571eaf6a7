// Decides where one read goes, from facts alone.
//
// Invariant: a replica that the document calls not routable, or that has weight 0, is never chosen. A
// replica that has just failed rests, and is asked again only when its rest is over or nobody else is left.

import type { EndpointsDocument, PrimaryEndpoint, ReplicaEndpoint } from '../endpoints/endpointsDocument.ts';
import { type BackoffBounds, backoffMs } from '../lib/backoff.ts';

/** What this process has found out about an instance. An instance without an entry has not failed. */
export interface Health {
  readonly failures: number;
  /** Monotonic time of the last one. */
  readonly failedAtMs: number;
  /** Monotonic time before which it is left alone. */
  readonly restsUntilMs: number;
  readonly reason: string;
}

export type ReplicaVerdict =
  | { readonly kind: 'serving' }
  | { readonly kind: 'resting'; readonly reason: string }
  | { readonly kind: 'excluded'; readonly reason: string };

export interface ReadFacts {
  readonly document: EndpointsDocument;
  /** By name of the instance. */
  readonly health: ReadonlyMap<string, Health>;
  /** Names of the instances that this read has been to. */
  readonly tried: ReadonlySet<string>;
  /** Number of this read; the same for all its attempts. */
  readonly turn: number;
  /** A replica had no connection free. What overflows from replicas must not drown the primary. */
  readonly isOverflow: boolean;
  readonly nowMs: number;
}

export type ReadChoice =
  | { readonly kind: 'replica'; readonly endpoint: ReplicaEndpoint }
  | { readonly kind: 'primary'; readonly endpoint: PrimaryEndpoint }
  | { readonly kind: 'none'; readonly reason: string };

/** Round robin over the replicas that serve, then the primary where allowed, then whoever rests. */
export function chooseReplica(facts: ReadFacts): ReadChoice {
  const { document, tried, turn } = facts;
  const untried = document.replicas.filter(({ name }) => !tried.has(name));
  const withVerdict = (kind: ReplicaVerdict['kind']) =>
    untried.filter((replica) => judgeReplica(replica, facts.health, facts.nowMs).kind === kind);

  const serving = pick(withVerdict('serving'), turn);
  if (serving !== undefined) return { kind: 'replica', endpoint: serving };

  const { primary } = document;
  const mayFallBack = document.routing.fallbackToPrimary && !facts.isOverflow;
  if (primary !== null && mayFallBack && !tried.has(primary.name)) {
    return { kind: 'primary', endpoint: primary };
  }
  const resting = pick(withVerdict('resting'), turn);
  if (resting !== undefined) return { kind: 'replica', endpoint: resting };
  return { kind: 'none', reason: describeAbsence(facts) };
}

/** What keeps a replica from serving, if anything does. */
export function judgeReplica(
  replica: ReplicaEndpoint,
  health: ReadonlyMap<string, Health>,
  nowMs: number,
): ReplicaVerdict {
  if (!replica.routable) return { kind: 'excluded', reason: replica.reason ?? 'not routable' };
  if (replica.weight === 0) return { kind: 'excluded', reason: 'has weight 0' };
  const known = health.get(replica.name);
  if (known !== undefined && nowMs < known.restsUntilMs) return { kind: 'resting', reason: known.reason };
  return { kind: 'serving' };
}

/** Half a second after the first failure, so that a restart is not noticed for long; never over half a minute. */
export const restBounds: BackoffBounds = { firstMs: 500, maxMs: 30_000, jitter: 0.3 };

/** The health of an instance that has failed (once more). `random` in [0, 1). */
export function afterFailure(
  before: Health | undefined,
  reason: string,
  nowMs: number,
  random: number,
): Health {
  const failures = (before?.failures ?? 0) + 1;
  return {
    failures,
    reason,
    failedAtMs: nowMs,
    restsUntilMs: nowMs + backoffMs(failures - 1, restBounds, random),
  };
}

function pick(replicas: readonly ReplicaEndpoint[], turn: number): ReplicaEndpoint | undefined {
  return replicas[turn % replicas.length];
}

/** What keeps each replica from answering this read. */
export function describeReplicas({ document, health, nowMs }: ReadFacts): string {
  const about = (replica: ReplicaEndpoint) => {
    const verdict = judgeReplica(replica, health, nowMs);
    return `${replica.name} ${verdict.kind === 'serving' ? 'was tried' : verdict.reason}`;
  };
  return document.replicas.map(about).join('; ');
}

function describeAbsence(facts: ReadFacts): string {
  const { primary } = facts.document;
  const ofPrimary =
    primary === null
      ? 'there is no primary'
      : facts.tried.has(primary.name)
        ? `${primary.name} (primary) was tried`
        : `${primary.name} (primary) may not serve reads`;
  const ofReplicas = describeReplicas(facts);
  return ofReplicas === '' ? ofPrimary : `${ofReplicas}; ${ofPrimary}`;
}
