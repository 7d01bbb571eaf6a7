// One pool per instance of the current document.
//
// Invariant: an address has at most one pool that takes statements, opened with the current credentials.
// A change of role keeps the pool: the connections to a replica that is promoted stay good.

import type { Endpoint, EndpointsDocument, PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import { assert } from '../lib/assert.ts';
import { connectionSettings } from './connectionSettings.ts';
import type { Credentials } from './credentialsDirectory.ts';
import { InstancePool, type InstancePoolDeps, type PoolCounts } from './instancePool.ts';
import type { RouterSettings } from './routerOptions.ts';

export class PoolSet {
  readonly #settings: RouterSettings;
  readonly #deps: InstancePoolDeps;
  readonly #pools = new Map<string, InstancePool>();
  readonly #retiring = new Set<Promise<void>>();
  #credentials: Credentials | undefined;

  constructor(settings: RouterSettings, deps: InstancePoolDeps) {
    this.#settings = settings;
    this.#deps = deps;
  }

  /** The pool of an endpoint of the document that was followed last. */
  of(endpoint: Endpoint): InstancePool {
    const pool = this.#pools.get(addressOf(endpoint));
    assert(pool !== undefined, `${addressOf(endpoint)} is not in the endpoints document in use`);
    return pool;
  }

  /** Undefined once the endpoint is in no document that is followed, or this has been ended. */
  find(endpoint: Endpoint): InstancePool | undefined {
    return this.#pools.get(addressOf(endpoint));
  }

  /** How many connections are open to an endpoint; none once this has been ended. */
  countsOf(endpoint: Endpoint): PoolCounts {
    return this.#pools.get(addressOf(endpoint))?.counts ?? { total: 0, idle: 0, waiting: 0 };
  }

  /** Opens what is missing and retires what is not wanted any more. Nothing connects before it is used. */
  follow(document: EndpointsDocument, credentials: Credentials): void {
    if (credentials !== this.#credentials) this.#retireAll();
    this.#credentials = credentials;
    const endpoints =
      document.primary === null ? document.replicas : [document.primary, ...document.replicas];
    const wanted = new Map(endpoints.map((it) => [addressOf(it), it]));
    for (const address of this.#pools.keys()) {
      if (!wanted.has(address)) this.#retire(address);
    }
    for (const [address, endpoint] of wanted) {
      if (this.#pools.has(address)) continue;
      this.#pools.set(address, this.#open(endpoint, credentials));
    }
  }

  /** Lets go of every connection to an endpoint, and takes new ones for what comes next. */
  renew(endpoint: PrimaryEndpoint): void {
    const address = addressOf(endpoint);
    if (this.#credentials === undefined || !this.#pools.has(address)) return;
    this.#retire(address);
    this.#pools.set(address, this.#open(endpoint, this.#credentials));
  }

  /** Of all instances together. */
  get counts(): PoolCounts & { readonly expired: number } {
    const sum = { total: 0, idle: 0, waiting: 0, expired: 0 };
    for (const pool of this.#pools.values()) {
      const { total, idle, waiting } = pool.counts;
      sum.total += total;
      sum.idle += idle;
      sum.waiting += waiting;
      sum.expired += pool.expiredCount;
    }
    return sum;
  }

  /** Resolves when every pool, also of earlier documents, has answered its statements and is closed. */
  async end(): Promise<void> {
    this.#retireAll();
    await Promise.all(this.#retiring);
  }

  #open(endpoint: PrimaryEndpoint, credentials: Credentials): InstancePool {
    const connection = connectionSettings(endpoint, credentials, this.#settings);
    const isDeadline = Boolean(this.#settings.driver?.query_timeout);
    return new InstancePool({ name: endpoint.name, connection, isDeadline }, this.#deps);
  }

  #retireAll(): void {
    for (const address of this.#pools.keys()) this.#retire(address);
  }

  #retire(address: string): void {
    const pool = this.#pools.get(address);
    if (pool === undefined) return;
    this.#pools.delete(address);
    const ended = pool.retire().finally(() => this.#retiring.delete(ended));
    this.#retiring.add(ended);
  }
}

const addressOf = ({ host, port }: Endpoint): string => `${host}:${port}`;
