// Asks every instance of the topology what it is, over a connection of its own to each.
//
// Invariant: `observations` holds at most one observation for each instance of the topology followed last, the newest one.
// Quiet processes ask at the pace of the health check, and who does not answer at least every five seconds; while replicas are read
// from each instance is asked so often that a late one is noticed soon; whoever has news to expect calls `wake`, and for a while each
// is asked four times a second. Statements that wait for a new primary call `hurry`.

import type { Endpoint } from '../endpoints/endpointsDocument.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { messageOf } from './judgeFailure.ts';
import type { Observation } from './observation.ts';
import type { ConnectProbe, ProbeTarget } from './probeConnection.ts';
import { briskEveryMs, ProbedInstance } from './probedInstance.ts';
import { isSameLogin } from './sources/credentialsDirectory.ts';
import { credentialsOf, type Topology } from './sources/topologySource.ts';

export interface InstanceProberDeps {
  /** Must not keep the process alive: `backgroundClock`. */
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly connect: ConnectProbe;
  /** Longest time between two questions, while no replica is read from. Default: 30 s, as in the guide */
  readonly everyMs?: number | undefined;
}

const defaultEveryMs = 30_000;

/** How long a call of `wake` is heeded. Covers the failover of a server that is promoted at once, and reads after a write. */
const briskForMs = 5_000;

/** How long a call of `hurry` is heeded. An orderly switchover takes a second; a longer outage is looked at briskly. */
const urgentForMs = 5_000;
/** So much of the lag that a topology allows may pass until a replica is found to have more. */
const partOfLag = 1 / 4;

/** How often we look whether we stood still, and how late we must be to have done so. Garbage collection takes less. */
const pulseEveryMs = 1_000;
const standstillMs = 2_000;

export class InstanceProber {
  readonly #deps: InstanceProberDeps;
  readonly #instances = new Map<string, ProbedInstance>();
  readonly #observations = new Map<string, Observation>();
  readonly #listeners = new Set<(observation: Observation) => void>();
  readonly #lossListeners = new Set<(instance: string) => void>();
  readonly #standstillListeners = new Set<() => void>();
  readonly #pulseListeners = new Set<(sinceMs: number) => void>();
  readonly #ending = new Set<Promise<void>>();
  readonly #ended = new AbortController();
  readonly #pulse: Promise<void>;
  #briskUntilMs = Number.NEGATIVE_INFINITY;
  #urgentUntilMs = Number.NEGATIVE_INFINITY;
  #maxLagMs = Number.POSITIVE_INFINITY;
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: InstanceProberDeps) {
    this.#deps = deps;
    this.#pulse = this.#watchForStandstill();
  }

  /** By name of the instance. */
  get observations(): ReadonlyMap<string, Observation> {
    return this.#observations;
  }

  /** Told of every observation. @returns a function that stops it */
  onObservation(listener: (observation: Observation) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Told by name of each instance that has hung up between two questions. @returns a function that stops it */
  onConnectionLost(listener: (instance: string) => void): () => void {
    this.#lossListeners.add(listener);
    return () => this.#lossListeners.delete(listener);
  }

  /** Told when this process stood still, so that what was observed before is worth nothing. @returns a function that stops it */
  onStandstill(listener: () => void): () => void {
    this.#standstillListeners.add(listener);
    return () => this.#standstillListeners.delete(listener);
  }

  /** Told about once a second, with the time of the pulse before, unless this process stood still. @returns a function that stops it */
  onPulse(listener: (sinceMs: number) => void): () => void {
    this.#pulseListeners.add(listener);
    return () => this.#pulseListeners.delete(listener);
  }

  /** Asks this one as soon as it may be asked, and the others at their pace. */
  ask(instance: string): void {
    this.#instances.get(instance)?.wake();
  }

  /** Probes the instances of this topology from now on, and no others. */
  follow(topology: Topology): void {
    if (this.#ended.signal.aborted) return;
    this.#maxLagMs = topology.document.routing.maxLagSeconds * 1_000;
    const wanted = new Map(targetsOf(topology).map((target) => [target.name, target]));
    for (const [name, instance] of this.#instances) {
      const target = wanted.get(name);
      if (target === undefined || !isSameTarget(target, instance.target)) this.#drop(name, instance);
    }
    for (const [name, target] of wanted) {
      if (!this.#instances.has(name)) this.#instances.set(name, this.#start(target));
    }
  }

  /**
   * News is to be expected: a statement failed, or a write was acknowledged and its position matters. Cheap enough to be called
   * for each statement.
   */
  wake(reason: string): void {
    const nowMs = this.#deps.clock.now();
    const wasBrisk = this.#briskUntilMs > nowMs;
    this.#briskUntilMs = nowMs + briskForMs;
    if (wasBrisk) return;
    this.#deps.log.debug({ reason }, 'asking the instances at a brisk pace');
    for (const instance of this.#instances.values()) instance.wake();
  }

  /** Statements wait until another instance is primary. */
  hurry(reason: string): void {
    const nowMs = this.#deps.clock.now();
    const wasUrgent = this.#urgentUntilMs > nowMs;
    this.#urgentUntilMs = nowMs + urgentForMs;
    this.wake(reason);
    if (!wasUrgent) for (const instance of this.#instances.values()) instance.wake();
  }

  /** A read goes to a replica, which may fall behind while it is read from. As cheap as `wake`. */
  noteRead(): void {
    const wasRead = this.#isRead;
    this.#readAtMs = this.#deps.clock.now();
    if (wasRead) return;
    for (const instance of this.#instances.values()) instance.reconsider();
  }

  get #isRead(): boolean {
    return this.#deps.clock.now() - this.#readAtMs <= this.#readEveryMs;
  }

  get #readEveryMs(): number {
    return Math.max(briskEveryMs, this.#maxLagMs * partOfLag);
  }

  /** Asks no more and closes every connection. */
  async end(): Promise<void> {
    this.#ended.abort();
    for (const [name, instance] of this.#instances) this.#drop(name, instance);
    await Promise.all([...this.#ending, this.#pulse]);
  }

  #start(target: ProbeTarget): ProbedInstance {
    const { clock, random, connect, everyMs = defaultEveryMs } = this.#deps;
    const instance: ProbedInstance = new ProbedInstance(target, {
      clock,
      random,
      connect,
      everyMs: () => (this.#isRead ? Math.min(everyMs, this.#readEveryMs) : everyMs),
      isBrisk: () => clock.now() < this.#briskUntilMs,
      isUrgent: () => clock.now() < this.#urgentUntilMs,
      onObservation: (observation) => this.#take(observation),
      onConnectionLost: () => {
        for (const listener of this.#lossListeners) this.#tell(() => listener(target.name));
      },
    });
    return instance;
  }

  #drop(name: string, instance: ProbedInstance): void {
    this.#instances.delete(name);
    this.#observations.delete(name);
    const ended = instance.end().finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }

  #take(observation: Observation): void {
    const { probe, instance } = observation;
    const before = this.#observations.get(instance)?.probe;
    this.#observations.set(instance, observation);
    if (probe.kind === 'failed' && before?.kind !== 'failed') {
      const how = probe.refusal === undefined ? 'does not answer' : 'refuses';
      const { reason, refusal: sqlState } = probe;
      this.#deps.log.warn({ instance, reason, ...(sqlState && { sqlState }) }, `instance ${how} probes`);
    }
    if (probe.kind === 'answered' && before?.kind === 'failed') {
      this.#deps.log.info({ instance, role: probe.role }, 'instance answers probes again');
    }
    for (const listener of this.#listeners) this.#tell(() => listener(observation));
  }

  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#deps.log.error({ reason: messageOf(error) }, 'a listener of observations failed');
    }
  }

  /**
   * A process that was stopped, or whose machine slept, must not take its own silence for that of the servers. On Linux the
   * monotonic clock stands still while a machine sleeps, so the time of day is looked at as well; a clock that somebody has set
   * costs one round of probes.
   */
  async #watchForStandstill(): Promise<void> {
    const { clock } = this.#deps;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const before = { nowMs: clock.now(), wallMs: clock.wallNow().getTime() };
      await clock.sleep(pulseEveryMs, signal).catch(() => {});
      const passedMs = Math.max(clock.now() - before.nowMs, clock.wallNow().getTime() - before.wallMs);
      if (signal.aborted) return;
      if (passedMs > pulseEveryMs + standstillMs) this.#forget(passedMs);
      else for (const listener of this.#pulseListeners) this.#tell(() => listener(before.nowMs));
    }
  }

  #forget(passedMs: number): void {
    this.#deps.log.info({ passedMs }, 'this process stood still, asking all instances anew');
    this.#observations.clear();
    for (const listener of this.#standstillListeners) this.#tell(listener);
    this.#briskUntilMs = Number.NEGATIVE_INFINITY;
    this.wake('stood still');
  }
}

function targetsOf(topology: Topology): ProbeTarget[] {
  const { primary, replicas } = topology.document;
  return [...(primary === null ? [] : [primary]), ...replicas].map(({ name, host, port }) => ({
    name,
    host,
    port,
    credentials: credentialsOf(topology, name),
  }));
}

function isSameTarget(one: ProbeTarget, other: ProbeTarget): boolean {
  return isSameAddress(one, other) && isSameLogin(one.credentials, other.credentials);
}

function isSameAddress(one: Endpoint, other: Endpoint): boolean {
  return one.host === other.host && one.port === other.port;
}
