// The little that the operator remembers of a topology between cycles. Losing it costs a write or an event, never the truth.

import type { TopologyCredentials } from '../objects/topologyCredentials.ts';

export interface TopologyMemory {
  /** Monotonic; -Infinity before the first write of this process. */
  statusWrittenAt: number;
  hasSaidFarewell: boolean;
  /** Credentials as last read or made, with the versions of the Secrets that they go with. */
  credentials: RememberedCredentials | undefined;
  /** Sizes that claims could not be grown to, by the claim's uid, and when (monotonic) that was said. */
  readonly refusedSizes: Map<string, { readonly size: string; readonly at: number }>;
  /** What the API server refuses for good, by `Kind/name`. */
  readonly refusals: Map<string, Refusal>;
}

export interface Refusal {
  /** Names the object and says what the API server answered. */
  readonly message: string;
  /** Monotonic; when the API server said so. */
  readonly at: number;
}

export interface RememberedCredentials {
  /** Of the ReplicatedPostgres: another one of the same name has its own. */
  readonly topologyUid: string;
  readonly secretVersions: string;
  readonly value: TopologyCredentials;
  /** Milliseconds since 1970; something has to be renewed then. */
  readonly renewAtMs: number;
}

export class Memory {
  readonly #topologies = new Map<string, TopologyMemory>();

  /** Of the topology with this key; empty when there was none. */
  of(key: string): TopologyMemory {
    const known = this.#topologies.get(key);
    if (known !== undefined) return known;
    const fresh: TopologyMemory = {
      statusWrittenAt: -Infinity,
      hasSaidFarewell: false,
      credentials: undefined,
      refusedSizes: new Map(),
      refusals: new Map(),
    };
    this.#topologies.set(key, fresh);
    return fresh;
  }

  forget(key: string): void {
    this.#topologies.delete(key);
  }
}
