// Where a router learns which instances there are. Five kinds: a mounted file, a watch through the Kubernetes API, a stream of
// the service, fixed addresses in code, and the environment.
//
// Invariant, of every kind: `onChange` sees complete topologies only, each newer than the one before; what is broken or older
// is refused and told in `problems`, and the last good topology stays. All kinds pass one suite of tests,
// test/router/sources/topologySource.test.ts.

import type { EndpointsDocument } from '../../endpoints/endpointsDocument.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Credentials } from './credentialsDirectory.ts';

export interface Topology {
  readonly document: EndpointsDocument;
  /** For every instance that `credentialsByName` does not name. */
  readonly credentials: Credentials;
  /** Logins of single instances, where a replica is reached with another user, password or database. */
  readonly credentialsByName?: ReadonlyMap<string, Credentials> | undefined;
}

/** What keeps a source from having any topology: for the error that a caller gets. */
export type MissingPart = 'document' | 'validDocument' | 'credentials';

export interface TopologySource {
  /** For people: `file /etc/…`, `environment`, `kubernetes shop/orders`, `http://…`, `static`. Holds no secret. */
  readonly origin: string;
  /** The newest complete one. */
  readonly topology: Topology | undefined;
  /** Why what is there now is not in use; empty when it is. */
  readonly problems: readonly string[];
  /** Undefined as soon as there is a topology. */
  readonly missing: MissingPart | undefined;
  /** Monotonic time at which the source last confirmed what it says; undefined before the first time. */
  readonly confirmedAtMs: number | undefined;
  /**
   * Follows until the signal is aborted. What can be known without waiting is told before this returns its promise.
   * Never rejects, also when the listener throws.
   */
  follow(onChange: (topology: Topology) => void, clock: Clock, signal: AbortSignal): Promise<void>;
}

/** How to log in to one instance. */
export function credentialsOf(topology: Topology, name: string): Credentials {
  return topology.credentialsByName?.get(name) ?? topology.credentials;
}
