// Everything that the operator can do to the world. A new ability starts as a new line here.

import type { ReplicatedPostgresStatus } from '../api/replicatedPostgresStatus.ts';
import type { Outcome } from '../lib/outcome.ts';
import type { Manifest } from './observed.ts';

export interface TopologyEvent {
  readonly type: 'Normal' | 'Warning';
  /** One word in CamelCase; part of the API. */
  readonly reason: string;
  readonly message: string;
}

export type Action =
  /** Makes whatever passwords and certificates are missing or due. */
  | { readonly kind: 'renewCredentials' }
  /** Creates or changes an object by server-side apply. */
  | { readonly kind: 'applyObject'; readonly object: Manifest }
  | { readonly kind: 'deleteObject'; readonly object: Manifest }
  /** Deletes the volume of an instance that was scaled away. */
  | { readonly kind: 'deleteClaim'; readonly name: string; readonly uid: string }
  /** Says on a claim which ReplicatedPostgres it was made for. */
  | { readonly kind: 'labelClaim'; readonly name: string; readonly uid: string }
  /** Makes a volume go, or not go, together with the ReplicatedPostgres. */
  | { readonly kind: 'ownClaim'; readonly name: string; readonly uid: string; readonly isOwned: boolean }
  /** Asks for a larger volume. Not every storage class can do that. */
  | { readonly kind: 'growClaim'; readonly name: string; readonly uid: string; readonly size: string }
  /** Puts a pod into, or takes it out of, the Service of the replicas. */
  | {
      readonly kind: 'labelRoutable';
      readonly pod: string;
      readonly uid: string;
      readonly isRoutable: boolean;
    }
  | { readonly kind: 'applyStatus'; readonly status: ReplicatedPostgresStatus }
  | { readonly kind: 'recordEvent'; readonly event: TopologyEvent }
  /** Forgets everything that is kept in memory about a topology that is gone. */
  | { readonly kind: 'forgetTopology' }
  | { readonly kind: 'rememberFarewell' };

export interface Plan {
  readonly actions: readonly Action[];
  readonly outcome: Outcome;
  /** One line for the log. */
  readonly summary: string;
}
