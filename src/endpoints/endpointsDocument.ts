// The document that operator and router share: ConfigMap `<name>-endpoints`, key `endpoints.json`.
//
// Invariant: documents are ordered by (epoch, generation), and whoever has seen one never goes back to
// an older one. It changes when a role, an address, routability or a setting changes, not with lag.

export const endpointsKey = 'endpoints.json';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface PrimaryEndpoint extends Endpoint {
  readonly name: string;
  readonly zone: string | null;
}

export interface ReplicaEndpoint extends PrimaryEndpoint {
  /** Share of the reads relative to the other replicas; 0 takes none. */
  readonly weight: number;
  readonly routable: boolean;
  /** Why it is not routable; null when it is. */
  readonly reason: string | null;
  /** Lag when the document was published; null when it was unknown. */
  readonly lagSeconds: number | null;
  readonly lagBytes: number | null;
}

/** The primary role is about to move: new writes wait, so that none of them fails. */
export interface SwitchoverAnnouncement {
  /** Name of the instance that is to be the primary. */
  readonly to: string;
  /** Of this switchover alone; without blanks. Whoever has seen it begins no new wait when it is told again. */
  readonly id: string;
  /** How long writers wait at most, counted on the reader's own clock from when it first saw this id. */
  readonly holdMs: number;
}

/** Longer than any orderly switchover takes; whoever waits for longer than that had better know that it failed. */
export const maxHoldMs = 60_000;

export interface EndpointsDocument {
  readonly version: 1;
  readonly topology: {
    readonly namespace: string;
    readonly name: string;
    readonly systemIdentifier: string | null;
  };
  /** Number of times the primary role has changed hands. Never goes back. */
  readonly epoch: number;
  /** Number of the document within the life of the topology. Never goes back. */
  readonly generation: number;
  readonly timeline: number | null;
  /** RFC 3339, for people; never compared. */
  readonly publishedAt: string;
  readonly primary: PrimaryEndpoint | null;
  readonly replicas: readonly ReplicaEndpoint[];
  readonly poolers: { readonly readWrite: Endpoint | null; readonly readOnly: Endpoint | null };
  readonly routing: {
    readonly maxLagSeconds: number;
    readonly resumeLagSeconds: number;
    readonly fallbackToPrimary: boolean;
  };
  /** Absent or null as long as none is announced. The generation grows when it is set and when it is cleared. */
  readonly switchover?: SwitchoverAnnouncement | null | undefined;
}
