// One pool per instance of the current document.
//
// Invariant: an address has at most one pool that takes statements, opened with the current credentials.
// A change of role keeps the pool: the connections to a replica that is promoted stay good.

import type { Endpoint, PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import { assert } from '../lib/assert.ts';
import { connectionSettings } from './connectionSettings.ts';
import { endpointsOf } from './findPrimary.ts';
import { InstancePool, type InstancePoolDeps, type PoolCounts } from './instancePool.ts';
import type { RouterSettings } from './routerOptions.ts';
import { type Credentials, isSameLogin } from './sources/credentialsDirectory.ts';
import { credentialsOf, type Topology } from './sources/topologySource.ts';

interface Known {
  readonly pool: InstancePool;
  readonly credentials: Credentials;
  /** As it was when the pool was made; its timeouts are of that role. */
  readonly isReplica: boolean;
}

export class PoolSet {
  readonly #settings: RouterSettings;
  readonly #deps: InstancePoolDeps;
  readonly #pools = new Map<string, Known>();
  readonly #retiring = new Set<Promise<void>>();
  #endpoints: readonly PrimaryEndpoint[] = [];

  constructor(settings: RouterSettings, deps: InstancePoolDeps) {
    this.#settings = settings;
    this.#deps = deps;
  }

  /** The pool of an endpoint of the document that was followed last. */
  of(endpoint: Endpoint): InstancePool {
    const { pool } = this.#pools.get(addressOf(endpoint)) ?? {};
    assert(pool !== undefined, `${addressOf(endpoint)} is not in the endpoints document in use`);
    return pool;
  }

  /** Undefined once the endpoint is in no document that is followed, or this has been ended. */
  find(endpoint: Endpoint): InstancePool | undefined {
    return this.#pools.get(addressOf(endpoint))?.pool;
  }

  /** How many connections are open to an endpoint; none once this has been ended. */
  countsOf(endpoint: Endpoint): PoolCounts {
    return this.find(endpoint)?.counts ?? { total: 0, idle: 0, waiting: 0 };
  }

  /** Opens what is missing and retires what is not wanted any more. Nothing connects before it is used. */
  follow(topology: Topology): void {
    this.#endpoints = endpointsOf(topology.document);
    const wanted = new Map(this.#endpoints.map((it) => [addressOf(it), it]));
    for (const [address, { credentials }] of this.#pools) {
      const endpoint = wanted.get(address);
      const isWanted =
        endpoint !== undefined && isSameLogin(credentials, credentialsOf(topology, endpoint.name));
      // With a new login its server stays, and what is under way there may take its time.
      if (!isWanted)
        this.#retire(address, endpoint === undefined ? this.#settings.drainTimeoutMs : undefined);
    }
    for (const [address, endpoint] of wanted) {
      if (this.#pools.has(address)) continue;
      const isReplica = endpoint.name !== topology.document.primary?.name;
      this.#open(endpoint, credentialsOf(topology, endpoint.name), isReplica);
    }
  }

  /** Whether statements are under way on this instance, or connections to it being opened. */
  isInUse(instance: string): boolean {
    const counts = this.#named(instance)?.counts;
    return counts !== undefined && counts.total > counts.idle;
  }

  /** See `InstancePool.hangUp`. */
  hangUp(instance: string): void {
    this.#named(instance)?.hangUp();
  }

  /** Lets go of every connection to an endpoint, and takes new ones for what comes next. */
  renew(endpoint: PrimaryEndpoint): void {
    const known = this.#pools.get(addressOf(endpoint));
    if (known === undefined) return;
    this.#retire(addressOf(endpoint));
    this.#open(endpoint, known.credentials, known.isReplica);
  }

  /** As `renew`, and whatever is under way there fails at once, as it would when the server had hung up. */
  abandon(endpoint: PrimaryEndpoint): void {
    const pool = this.find(endpoint);
    this.renew(endpoint);
    pool?.abandon();
  }

  /** Of all instances together. */
  get counts(): PoolCounts & { readonly expired: number } {
    const sum = { total: 0, idle: 0, waiting: 0, expired: 0 };
    for (const { pool } of this.#pools.values()) {
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

  #named(instance: string): InstancePool | undefined {
    const endpoint = this.#endpoints.find(({ name }) => name === instance);
    return endpoint === undefined ? undefined : this.find(endpoint);
  }

  #open(endpoint: PrimaryEndpoint, credentials: Credentials, isReplica: boolean): void {
    const connection = connectionSettings(endpoint, credentials, this.#settings, isReplica);
    const { driver, behindPooler } = this.#settings;
    const isDeadline = driver === undefined ? behindPooler : Boolean(connection.query_timeout);
    const pool = new InstancePool({ name: endpoint.name, connection, isDeadline }, this.#deps);
    this.#pools.set(addressOf(endpoint), { pool, credentials, isReplica });
  }

  #retireAll(): void {
    for (const address of this.#pools.keys()) this.#retire(address);
  }

  /** Without a deadline it waits for whatever is under way. */
  #retire(address: string, drainTimeoutMs?: number): void {
    const known = this.#pools.get(address);
    if (known === undefined) return;
    this.#pools.delete(address);
    const ended = known.pool.retire(drainTimeoutMs).finally(() => this.#retiring.delete(ended));
    this.#retiring.add(ended);
  }
}

/** Made for each statement, it would be a fifth of what the router costs: a new text has to be hashed to be looked up. */
const addresses = new WeakMap<Endpoint, string>();

function addressOf(endpoint: Endpoint): string {
  const known = addresses.get(endpoint);
  if (known !== undefined) return known;
  const address = `${endpoint.host}:${endpoint.port}`;
  addresses.set(endpoint, address);
  return address;
}
