// Which replica of the operator works: the one that holds a Lease.
//
// Invariant: a leader that cannot renew stops leading before anybody else may start. It counts `renewDeadlineMs` from
// the *start* of its last successful renewal; others count the whole lease duration from when they last *saw* the Lease
// change. Each on its own monotonic clock: the times written into the Lease are for people and are never compared.

import { assert } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { KubeClient } from './client.ts';
import { withTimeout } from './client.ts';
import { withDeadline } from './deadline.ts';
import type { ObjectRef } from './kubeObject.ts';
import { createLease, type LeaseSpec, microTime, readLease, updateLease } from './lease.ts';
import type { Lease } from './resources.ts';

export interface LeaderElectionDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

export interface LeaderElectionOptions {
  readonly lease: ObjectRef & { readonly namespace: string };
  /** Different for every process, also for the next one in the same pod. */
  readonly identity: string;
  readonly leaseDurationMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryPeriodMs?: number;
  /** Who leads, as far as this process knows; told when it changes. */
  readonly onLeader?: (identity: string | undefined) => void;
  /** Told in the moment in which leadership is lost, before `lead` has ended. */
  readonly onLost?: () => void;
}

/** `stopped`: the signal was aborted. `lost`: the Lease could not be renewed; the process had better end. */
export type ElectionEnd = 'stopped' | 'lost';

/** As every controller of Kubernetes has them: a dead leader is replaced within 17 s, a slow API server is borne for 10 s. */
const defaultLeaseDurationMs = 15_000;
const defaultRenewDeadlineMs = 10_000;
const defaultRetryPeriodMs = 2_000;

interface Bounds {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

export class LeaderElector {
  readonly #deps: LeaderElectionDeps;
  readonly #client: KubeClient;
  readonly #options: LeaderElectionOptions;
  readonly #bounds: Bounds;
  /** The Lease as it was last seen, and when on our clock that version was first seen. */
  #seen: { readonly lease: Lease; readonly at: number } | undefined;
  #leader: string | undefined;

  constructor(deps: LeaderElectionDeps, options: LeaderElectionOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#bounds = checkedBounds(options);
    // At least two attempts fit into the deadline.
    this.#client = withTimeout(deps.client, this.#bounds.renewDeadlineMs / 2);
  }

  /** Undefined while nobody is known to lead. */
  get leader(): string | undefined {
    return this.#leader;
  }

  get isLeader(): boolean {
    return this.#leader === this.#options.identity;
  }

  /**
   * Waits for the Lease, then runs `lead` once, with a signal that is aborted when leadership ends.
   *
   * When `signal` is aborted, `lead` is awaited while the Lease is still renewed, and only then the Lease is given up, so
   * that the next leader starts at once and never beside this one. What `lead` throws is thrown from here.
   */
  async run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<ElectionEnd> {
    const acquiredAt = await this.#acquire(signal);
    if (acquiredAt === undefined) return 'stopped';
    const leadership = new AbortController();
    const onAbort = () => leadership.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    const ended = new AbortController();
    const led = lead(leadership.signal).finally(() => ended.abort());
    // It is awaited below, but not before the last renewal; until then a failure must not count as unhandled.
    led.catch(() => {});
    try {
      const kept = await this.#renewUntil(ended.signal, acquiredAt);
      if (!kept) {
        this.#setLeader(undefined);
        leadership.abort(new Error('leadership was lost: the Lease could not be renewed in time'));
        this.#options.onLost?.();
      }
      await led;
      return kept ? 'stopped' : 'lost';
    } finally {
      signal.removeEventListener('abort', onAbort);
      if (this.isLeader) await this.#release();
    }
  }

  /** The start of the write that won the Lease, on our clock; undefined when stopped before. */
  async #acquire(signal: AbortSignal): Promise<number | undefined> {
    while (!signal.aborted) {
      const startedAt = this.#deps.clock.now();
      try {
        if (await this.#tryAcquire(signal)) return startedAt;
      } catch (error) {
        if (signal.aborted) break;
        this.#deps.log.warn(
          { ...this.#about(), err: error },
          'the Lease of the election cannot be read or written',
        );
      }
      await this.#pause(signal);
    }
    return undefined;
  }

  async #tryAcquire(signal: AbortSignal): Promise<boolean> {
    const { lease: ref, identity } = this.#options;
    const lease = await readLease(this.#client, ref, signal);
    if (lease === undefined) {
      const content = { spec: { ...this.#newSpec(), leaseTransitions: 0 } };
      return this.#accept(await createLease(this.#client, ref, content, signal));
    }
    this.#see(lease);
    const holder = holderOf(lease);
    if (holder !== undefined && holder !== identity && !this.#hasExpired(lease)) {
      this.#setLeader(holder);
      return false;
    }
    const leaseTransitions = (lease.spec?.leaseTransitions ?? 0) + (holder === identity ? 0 : 1);
    const content = { spec: { ...this.#newSpec(), leaseTransitions } };
    return this.#accept(await updateLease(this.#client, lease, content, signal));
  }

  /** Renews until `signal` is aborted (true) or the deadline has passed (false). */
  async #renewUntil(signal: AbortSignal, acquiredAt: number): Promise<boolean> {
    const { renewDeadlineMs } = this.#bounds;
    let renewedAt = acquiredAt;
    for (;;) {
      const leftMs = renewedAt + renewDeadlineMs - this.#deps.clock.now();
      if (leftMs <= 0) return false;
      await this.#pause(signal, leftMs);
      if (signal.aborted) return true;
      const startedAt = this.#deps.clock.now();
      try {
        if (await this.#renewWithin(renewedAt + renewDeadlineMs - startedAt)) renewedAt = startedAt;
        else if (holderOf(this.#seen?.lease) !== this.#options.identity) return false;
      } catch (error) {
        this.#deps.log.warn({ ...this.#about(), err: error }, 'the Lease could not be renewed, trying again');
      }
    }
  }

  /**
   * However many requests a renewal needs, together they end by the deadline, or we would go on leading beyond it.
   *
   * The caller's signal is left out on purpose: a renewal under way comes to its end, so that release does not race with it.
   */
  #renewWithin(leftMs: number): Promise<boolean> {
    const late = () => new Error('the deadline of the renewal has passed');
    return withDeadline(
      this.#deps.clock,
      Math.max(0, leftMs),
      late,
      (stop) => this.#tryRenew(stop),
      undefined,
    );
  }

  /** Writes over what we wrote last; when that is refused, over what is there, if it is still ours. */
  async #tryRenew(signal: AbortSignal): Promise<boolean> {
    const client = this.#client;
    const known = this.#seen?.lease;
    if (known !== undefined && holderOf(known) === this.#options.identity) {
      const content = { spec: { renewTime: microTime(this.#deps.clock.wallNow()) } };
      if (this.#accept(await updateLease(client, known, content, signal))) return true;
    }
    const lease = await readLease(client, this.#options.lease, signal);
    if (lease === undefined) {
      const content = { spec: { ...this.#newSpec(), leaseTransitions: known?.spec?.leaseTransitions ?? 0 } };
      return this.#accept(await createLease(client, this.#options.lease, content, signal));
    }
    this.#see(lease);
    if (holderOf(lease) !== this.#options.identity) return false;
    return this.#accept(await updateLease(client, lease, { spec: this.#renewal() }, signal));
  }

  async #release(): Promise<void> {
    const lease = this.#seen?.lease;
    this.#setLeader(undefined);
    if (lease === undefined) return;
    try {
      // One second rather than none, which the API server refuses.
      const spec = { ...this.#renewal(), holderIdentity: '', leaseDurationSeconds: 1 };
      await updateLease(this.#client, lease, { spec }, new AbortController().signal);
    } catch (error) {
      this.#deps.log.warn(
        { ...this.#about(), err: error },
        'the Lease could not be released, it will expire',
      );
    }
  }

  #accept(write: Awaited<ReturnType<typeof updateLease>>): boolean {
    if (write.kind === 'refused') return false;
    this.#see(write.lease);
    this.#setLeader(this.#options.identity);
    return true;
  }

  #see(lease: Lease): void {
    const known = this.#seen?.lease.metadata;
    const isSame =
      known?.uid === lease.metadata.uid && known.resourceVersion === lease.metadata.resourceVersion;
    if (!isSame) this.#seen = { lease, at: this.#deps.clock.now() };
  }

  /** A holder promised to be silent for no longer than it wrote itself; ours counts when it is longer. */
  #hasExpired(lease: Lease): boolean {
    const promisedMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1000;
    const waitMs = Math.max(promisedMs, this.#bounds.leaseDurationMs);
    return this.#seen !== undefined && this.#deps.clock.now() - this.#seen.at >= waitMs;
  }

  #newSpec(): LeaseSpec {
    const now = microTime(this.#deps.clock.wallNow());
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: Math.ceil(this.#bounds.leaseDurationMs / 1000),
      acquireTime: now,
      renewTime: now,
    };
  }

  #renewal(): LeaseSpec {
    return { renewTime: microTime(this.#deps.clock.wallNow()) };
  }

  #setLeader(identity: string | undefined): void {
    if (identity === this.#leader) return;
    this.#leader = identity;
    this.#deps.log.info({ ...this.#about(), leader: identity }, 'the leader has changed');
    this.#options.onLeader?.(identity);
  }

  /** Up to a fifth longer than the period, so that candidates do not stay in step. */
  async #pause(signal: AbortSignal, maxMs = Infinity): Promise<void> {
    const pauseMs = this.#bounds.retryPeriodMs * (1 + this.#deps.random() / 5);
    await this.#deps.clock.sleep(Math.min(pauseMs, maxMs), signal).catch(() => {});
  }

  #about(): object {
    return { lease: this.#options.lease.name, identity: this.#options.identity };
  }
}

function checkedBounds(options: LeaderElectionOptions): Bounds {
  const {
    leaseDurationMs = defaultLeaseDurationMs,
    renewDeadlineMs = defaultRenewDeadlineMs,
    retryPeriodMs = defaultRetryPeriodMs,
  } = options;
  assert(
    renewDeadlineMs < leaseDurationMs,
    'the renew deadline is shorter than the lease, or two leaders overlap',
  );
  assert(retryPeriodMs * 1.2 < renewDeadlineMs, 'a renewal is tried at least once before its deadline');
  return { leaseDurationMs, renewDeadlineMs, retryPeriodMs };
}

function holderOf(lease: Lease | undefined): string | undefined {
  const holder = lease?.spec?.holderIdentity;
  return holder === '' ? undefined : holder;
}
