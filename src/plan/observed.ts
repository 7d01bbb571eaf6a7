// Everything that the operator's plan may know, read once per cycle. The clock is one more fact.

import type { AgentStatus } from '../api/agentStatus.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import type { ReplicatedPostgresStatus } from '../api/replicatedPostgresStatus.ts';
import type { TopologyConfig } from '../api/topologyConfig.ts';
import type { EndpointsDocument } from '../endpoints/endpointsDocument.ts';
import type { InstanceProbe } from '../postgres/probeInstance.ts';
import type { ReadsVerdict } from './reads.ts';

/** An object as the plan needs to see it: identity and ownership. Its content is for the builders and the comparison. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
    readonly ownerReferences?: readonly { readonly kind?: string; readonly uid: string }[];
  };
}

/** The ReplicatedPostgres itself. */
export type ResourceFacts =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'invalid';
      readonly uid: string;
      readonly generation: number;
      readonly isDeleting: boolean;
      readonly problems: readonly string[];
      readonly status: ReplicatedPostgresStatus | undefined;
    }
  | { readonly kind: 'valid'; readonly isDeleting: boolean; readonly topology: ReplicatedPostgres };

export interface LeaseFacts {
  /** Undefined when nobody holds it. */
  readonly holder: string | undefined;
  readonly epoch: number;
  /** Undefined until initdb has run. */
  readonly systemIdentifier: string | undefined;
  readonly timeline: number | undefined;
}

export interface PodFacts {
  readonly name: string;
  readonly uid: string;
  readonly isDeleting: boolean;
  readonly isScheduled: boolean;
  /** Whether the kubelet says so. */
  readonly isReady: boolean;
  readonly zone: string | null;
  readonly routableLabel: string | undefined;
  /** Why its containers do not run, in the kubelet's words: ImagePullBackOff, CrashLoopBackOff, … */
  readonly stuck: { readonly reason: string; readonly message: string } | undefined;
  /** What has changed since it was made, and takes effect with its next pod. */
  readonly outdated: readonly OutdatedPart[];
}

/** A new template, or an account that was made again: the tokens of the one before are worth nothing. */
export type OutdatedPart = (typeof outdatedParts)[number];
export const outdatedParts = ['pod template', 'service account'] as const;

/** What the probes know of an instance. `pending`: none has finished yet. */
export type ProbeFacts =
  | { readonly kind: 'pending' }
  | { readonly kind: 'unreachable'; readonly reason: string; readonly sinceMs: number }
  | { readonly kind: 'measured'; readonly probe: InstanceProbe; readonly measuredAt: string };

export interface LagFacts {
  /** Undefined while unknown: its receiver is down, it did not answer, or the primary's position is not known. */
  readonly seconds: number | undefined;
  readonly bytes: number | undefined;
}

export interface InstanceFacts {
  readonly name: string;
  readonly pod: PodFacts | undefined;
  readonly probe: ProbeFacts;
  readonly lag: LagFacts;
  readonly reads: ReadsVerdict;
  /** What its agent said last, when it was asked. */
  readonly agent: AgentStatus | undefined;
}

export interface ClaimFacts {
  readonly name: string;
  readonly uid: string;
  /** Of the ReplicatedPostgres that it says it was made for; undefined when it says nothing. */
  readonly topologyUid: string | undefined;
  /** Whether it was made after the ReplicatedPostgres, and so cannot be an earlier one's. */
  readonly isYounger: boolean;
  readonly isDeleting: boolean;
  /** Whether there is a volume behind it; one that waits for its volume cannot grow. */
  readonly isBound: boolean;
  /** Whether it goes away together with the ReplicatedPostgres. */
  readonly isOwned: boolean;
  /** As asked for; undefined when it cannot be read. */
  readonly sizeBytes: number | undefined;
  /** The size that the cluster has refused to grow it to a short while ago, if any. */
  readonly refusedBytes: number | undefined;
}

export interface PoolerFacts {
  readonly wanted: number;
  readonly available: number;
}

export interface Observed {
  /** Monotonic milliseconds, and the same moment for people. */
  readonly at: number;
  readonly wallTime: string;
  readonly key: { readonly namespace: string; readonly name: string };
  readonly resource: ResourceFacts;
  readonly lease: LeaseFacts | undefined;
  /** The last published documents; undefined when missing or unreadable. */
  readonly config: TopologyConfig | undefined;
  readonly endpoints: EndpointsDocument | undefined;
  /** One per StatefulSet or pod that exists. */
  readonly instances: readonly InstanceFacts[];
  readonly claims: readonly ClaimFacts[];
  readonly poolers: {
    readonly readWrite: PoolerFacts | undefined;
    readonly readOnly: PoolerFacts | undefined;
  };
  /** Every object in the cluster that carries the topology's label, the ReplicatedPostgres and the claims left out. */
  readonly live: readonly Manifest[];
  /** `missing`: nothing can be built yet; `due`: something has to be renewed soon. */
  readonly credentials: 'missing' | 'due' | 'valid';
  /** What the API server refuses for good: the object as `Kind/name`, and a sentence that says so. */
  readonly refusals: readonly { readonly object: string; readonly message: string }[];
  /** Milliseconds since this operator wrote the status last; Infinity when it never did. */
  readonly statusAgeMs: number;
  /** Whether this operator has already told which volumes stay behind. */
  readonly hasSaidFarewell: boolean;
}
