// Keeps one prober for every instance that has an address. In: which pods there are. Out: facts, and a word when they matter.
//
// Invariant: connections belong to a pod. When the pod, its address, the certificate or the settings change, the prober is
// replaced, and when the pod is gone nothing is left of it.

import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { LeaseFacts } from '../plan/observed.ts';
import type { ReadsLimits } from '../plan/reads.ts';
import type { LagAnchors } from '../postgres/lagAnchors.ts';
import { askAgent } from './askAgent.ts';
import { type ProbeResult, type ProbeTarget, runProber } from './prober.ts';
import { type LeaseRenewal, type ProbedFacts, TopologyProbes } from './topologyProbes.ts';

export interface FollowedInstance {
  readonly target: ProbeTarget;
  /** Whether its pod carries the label of the readable ones, put there by whoever was leader before. */
  readonly wasRoutable: boolean;
}

export interface ProbesDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Something about this topology is worth a new cycle. */
  readonly onNews: (key: string) => void;
  readonly onProbe: (key: string, instance: string, facts: ProbedFacts, result: ProbeResult) => void;
  readonly onForgotten: (key: string, instance: string) => void;
}

/** Bare lag numbers are news so often at most; the status is not written more often either. */
const lagNewsIntervalMs = 5_000;

/** An agent is asked now and then while all is well, and soon when its server does not answer. */
const agentIntervalMs = 10_000;
const agentRetryMs = 2_000;

interface Running {
  readonly fingerprint: string;
  readonly stop: AbortController;
  agentAskedAt: number;
}

interface Followed {
  readonly state: TopologyProbes;
  readonly running: Map<string, Running>;
  /** What was last told of each instance. */
  readonly told: Map<string, string>;
  lagTold: string;
  lagToldAt: number;
}

export class Probes {
  readonly #deps: ProbesDeps;
  readonly #topologies = new Map<string, Followed>();

  constructor(deps: ProbesDeps) {
    this.#deps = deps;
  }

  /** Probes exactly these instances of a topology from now on. */
  follow(key: string, instances: readonly FollowedInstance[], limits: ReadsLimits): void {
    const followed = this.#topologies.get(key) ?? this.#start(key, limits);
    followed.state.limits = limits;
    const wanted = new Set(instances.map((it) => it.target.instance));
    for (const name of followed.running.keys()) if (!wanted.has(name)) this.#drop(key, followed, name);
    for (const { target, wasRoutable } of instances) {
      const fingerprint = JSON.stringify(target);
      const running = followed.running.get(target.instance);
      if (running?.fingerprint === fingerprint) continue;
      running?.stop.abort();
      followed.state.include(target.instance, target.podUid, this.#deps.clock.now(), wasRoutable);
      this.#run(key, followed, target, fingerprint);
    }
  }

  noteLease(key: string, lease: LeaseFacts | undefined, renewal: LeaseRenewal | undefined): void {
    this.#topologies.get(key)?.state.noteLease(lease, renewal, this.#deps.clock.now());
  }

  facts(key: string, instance: string): ProbedFacts {
    const at = this.#deps.clock.now();
    const unknown = () =>
      new TopologyProbes({ maxLagSeconds: 0, resumeLagSeconds: 0, maxLagBytes: undefined, graceMs: 0 });
    return (this.#topologies.get(key)?.state ?? unknown()).facts(instance, at);
  }

  forget(key: string): void {
    const followed = this.#topologies.get(key);
    if (followed === undefined) return;
    for (const name of followed.running.keys()) this.#drop(key, followed, name);
    this.#topologies.delete(key);
  }

  /** Closes every connection. */
  stop(): void {
    for (const key of this.#topologies.keys()) this.forget(key);
  }

  #start(key: string, limits: ReadsLimits): Followed {
    const state = new TopologyProbes(limits);
    const followed = { state, running: new Map(), told: new Map(), lagTold: '', lagToldAt: -Infinity };
    this.#topologies.set(key, followed);
    return followed;
  }

  #drop(key: string, followed: Followed, instance: string): void {
    followed.running.get(instance)?.stop.abort();
    followed.running.delete(instance);
    followed.told.delete(instance);
    followed.state.exclude(instance);
    this.#deps.onForgotten(key, instance);
  }

  #run(key: string, followed: Followed, target: ProbeTarget, fingerprint: string): void {
    const { clock, random } = this.#deps;
    const stop = new AbortController();
    const running = { fingerprint, stop, agentAskedAt: -Infinity };
    followed.running.set(target.instance, running);
    const onResult = (result: ProbeResult, startedAt: number, context: unknown) => {
      const sample = {
        result,
        startedAt,
        endedAt: clock.now(),
        wallTime: clock.wallNow().toISOString(),
        anchors: context as LagAnchors,
      };
      followed.state.take(target.instance, sample);
      this.#tell(key, followed, target.instance, result);
      this.#maybeAskAgent(key, followed, target, running, result);
    };
    runProber(target, { clock, random, onStart: () => followed.state.anchors, onResult }, stop.signal).catch(
      (error: unknown) => {
        this.#deps.log.error({ topology: key, instance: target.instance, err: error }, 'a prober has failed');
        // Its next change of pod, certificate or settings, or the next cycle that asks for it, starts it again.
        if (followed.running.get(target.instance) === running) followed.running.delete(target.instance);
      },
    );
  }

  #maybeAskAgent(
    key: string,
    followed: Followed,
    target: ProbeTarget,
    running: Running,
    result: ProbeResult,
  ): void {
    const at = this.#deps.clock.now();
    if (at - running.agentAskedAt < (result.kind === 'measured' ? agentIntervalMs : agentRetryMs)) return;
    running.agentAskedAt = at;
    askAgent(target, running.stop.signal).then(
      (agent) => {
        if (running.stop.signal.aborted) return;
        followed.state.noteAgent(target.instance, agent);
        this.#tell(key, followed, target.instance, undefined);
      },
      (error: unknown) => this.#deps.log.debug({ topology: key, err: error }, 'an agent could not be asked'),
    );
  }

  #tell(key: string, followed: Followed, instance: string, result: ProbeResult | undefined): void {
    const at = this.#deps.clock.now();
    const facts = followed.state.facts(instance, at);
    if (result !== undefined) this.#deps.onProbe(key, instance, facts, result);
    const news = whatMatters(facts);
    if (followed.told.get(instance) !== news) {
      followed.told.set(instance, news);
      this.#deps.onNews(key);
    }
    if (at - followed.lagToldAt < lagNewsIntervalMs) return;
    const lag = lagText(followed, at);
    if (lag === followed.lagTold) return;
    followed.lagTold = lag;
    followed.lagToldAt = at;
    this.#deps.onNews(key);
  }
}

/** Everything but numbers that change with every sample. */
function whatMatters({ probe, reads, lag, agent }: ProbedFacts): string {
  const server =
    probe.kind === 'measured'
      ? [
          probe.probe.role,
          probe.probe.timeline,
          probe.probe.systemIdentifier,
          probe.probe.receiver?.status,
          probe.probe.pendingRestart,
        ]
      : [probe.kind, probe.kind === 'unreachable' ? probe.reason : ''];
  return JSON.stringify([
    server,
    reads.routable,
    reads.reason,
    lag.seconds === undefined,
    agent?.phase,
    agent?.reason,
    agent?.lastError?.message,
  ]);
}

function lagText({ state, running }: Followed, at: number): string {
  const lags = [...running.keys()].map((name) => state.facts(name, at).lag);
  return JSON.stringify(lags.map(({ seconds, bytes }) => [Math.round((seconds ?? -1) * 10), bytes]));
}
