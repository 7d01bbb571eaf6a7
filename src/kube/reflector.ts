// Keeps a sink equal to a selection of objects in the cluster: lists, then watches, for ever. `reflectorState.ts` decides.
//
// Invariant: nothing but its signal ends a reflector, neither an answer of the server nor a sink that throws.

import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { ApiError } from './apiError.ts';
import type { KubeClient } from './client.ts';
import type { LiveObject } from './kubeObject.ts';
import {
  initialState,
  parseFrame,
  type ReflectorEvent,
  type ReflectorState,
  type SinkChange,
  stepReflector,
} from './reflectorState.ts';
import { pathOf, type Resource } from './resources.ts';
import type { Sink } from './store.ts';
import { listPage, pageLimit, selectionQuery } from './verbs.ts';

export interface ReflectorDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

export interface ReflectorOptions<T extends LiveObject> {
  readonly resource: Resource<T>;
  /** One watch for each; all namespaces with one watch when left out. */
  readonly namespaces?: readonly string[];
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** How one watch is doing, for readiness and metrics. */
export interface ReflectorHealth {
  readonly namespace: string | undefined;
  readonly phase: ReflectorState<unknown>['phase'];
  /** In a row; 0 while all is well. */
  readonly failures: number;
}

/** The server ends a watch after 5 to 10 minutes, at random, so that not all of them come back at once. */
const minWatchSeconds = 300;

/** Bookmarks come about once a minute, so a watch that says nothing for longer than this is dead. */
export const maxSilentMs = 100_000;

/** A sink is told in one go; after so many frames without a pause others get their turn. */
const framesPerTurn = 200;

export class Reflector<T extends LiveObject> {
  /** Resolves when every selected object has been told to the sink once; rejects when the signal comes first. */
  readonly synced: Promise<void>;
  readonly #deps: ReflectorDeps;
  readonly #options: ReflectorOptions<T>;
  readonly #sink: Sink<T>;
  readonly #scopes: Scope<T>[];
  readonly #settleSynced: { resolve: () => void; reject: (reason: unknown) => void };

  constructor(deps: ReflectorDeps, options: ReflectorOptions<T>, sink: Sink<T>) {
    this.#deps = deps;
    this.#options = options;
    this.#sink = sink;
    const namespaces = options.namespaces === undefined ? [undefined] : [...new Set(options.namespaces)];
    this.#scopes = namespaces.map((namespace) => ({ namespace, state: initialState, isSynced: false }));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.synced = promise;
    this.#settleSynced = { resolve, reject };
    // Nobody has to wait for it.
    promise.catch(() => {});
    if (this.#scopes.length === 0) resolve();
  }

  get health(): ReflectorHealth[] {
    return this.#scopes.map(({ namespace, state }) => ({
      namespace,
      phase: state.phase,
      failures: state.failures,
    }));
  }

  /** Runs until the signal is aborted, then resolves. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#scopes.map((scope) => this.#runScope(scope, signal)));
    this.#settleSynced.reject(signal.reason);
  }

  async #runScope(scope: Scope<T>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedAt = this.#deps.clock.now();
      let event: ReflectorEvent<T>;
      try {
        event = await this.#advance(scope, signal);
      } catch (error) {
        if (signal.aborted) return;
        event = this.#failure(scope, error, scope.state.phase === 'watching' ? startedAt : undefined);
      }
      const waitMs = this.#take(scope, event);
      if (waitMs > 0) await this.#deps.clock.sleep(waitMs, signal).catch(() => {});
    }
  }

  /** One request: a page, or a whole watch, whose frames are taken as they come. */
  async #advance(scope: Scope<T>, signal: AbortSignal): Promise<ReflectorEvent<T>> {
    const { state } = scope;
    if (state.phase === 'watching') return this.#watch(scope, state.resourceVersion, signal);
    const isPaged = state.phase === 'listing' || state.isPaged;
    const page = await listPage(
      this.#deps.client,
      this.#options.resource,
      {
        ...this.#selection(scope),
        limit: isPaged ? pageLimit : 0,
        continueToken: state.phase === 'listing' ? state.continueToken : undefined,
      },
      signal,
    );
    return { kind: 'page', page };
  }

  async #watch(scope: Scope<T>, resourceVersion: string, signal: AbortSignal): Promise<ReflectorEvent<T>> {
    const { client, clock, random } = this.#deps;
    const { resource } = this.#options;
    const openedAt = clock.now();
    const query = {
      ...selectionQuery(this.#selection(scope)),
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion,
      timeoutSeconds: Math.floor(minWatchSeconds * (1 + random())),
    };
    const path = pathOf(resource, scope.namespace === undefined ? {} : { namespace: scope.namespace });
    let frames = 0;
    for await (const line of client.stream({ path, query, maxSilentMs, signal })) {
      this.#take(scope, { kind: 'frame', frame: parseFrame<T>(line) });
      frames += 1;
      if (frames % framesPerTurn === 0) await clock.sleep(0, signal);
    }
    return { kind: 'closed', openMs: clock.now() - openedAt };
  }

  #take(scope: Scope<T>, event: ReflectorEvent<T>): number {
    const { state, change, waitMs } = stepReflector(scope.state, event, this.#deps.random());
    scope.state = state;
    if (change !== undefined) this.#feed(scope, change);
    return waitMs;
  }

  #feed(scope: Scope<T>, change: SinkChange<T>): void {
    try {
      switch (change.kind) {
        case 'replace':
          this.#sink.replace(change.objects, scope.namespace, change.resourceVersion);
          break;
        case 'upsert':
          this.#sink.upsert(change.object);
          break;
        case 'remove':
          this.#sink.remove(change.object);
          break;
      }
    } catch (error) {
      this.#deps.log.error({ ...this.#about(scope), err: error }, 'the receiver of watched objects failed');
    }
    if (change.kind !== 'replace' || scope.isSynced) return;
    scope.isSynced = true;
    if (this.#scopes.every((it) => it.isSynced)) this.#settleSynced.resolve();
  }

  #failure(scope: Scope<T>, error: unknown, openedAt: number | undefined): ReflectorEvent<T> {
    const openMs = openedAt === undefined ? 0 : this.#deps.clock.now() - openedAt;
    const facts = { ...this.#about(scope), err: error, failures: scope.state.failures };
    if (!(error instanceof ApiError)) {
      this.#deps.log.error(facts, 'a reflector failed and tries again');
      return { kind: 'failed', isExpired: false, retryAfterMs: undefined, openMs };
    }
    if (error.isExpired) this.#deps.log.info(facts, 'the watched version has expired, listing again');
    else this.#deps.log.warn(facts, 'a list or watch failed and is tried again');
    return { kind: 'failed', isExpired: error.isExpired, retryAfterMs: error.retryAfterMs, openMs };
  }

  #selection(scope: Scope<T>) {
    const { labelSelector, fieldSelector } = this.#options;
    return {
      ...(scope.namespace === undefined ? {} : { namespace: scope.namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
  }

  #about(scope: Scope<T>): object {
    return { resource: this.#options.resource.plural, namespace: scope.namespace, phase: scope.state.phase };
  }
}

interface Scope<T> {
  readonly namespace: string | undefined;
  state: ReflectorState<T>;
  isSynced: boolean;
}
