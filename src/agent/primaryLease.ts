// The Lease `<topology>-primary` as one agent sees it: read every second, renewed every two while the plan says so.
//
// Invariants:
// - Every write names the version it was read at, so of two writers exactly one succeeds.
// - What we know is only ever replaced by what the API server said; when it says nothing, the last word stays.
// - A Lease whose owner is another topology, an earlier one of this name, is never taken for ours.
// - No wall clock is compared: age is measured from when this process saw the Lease change.

import { annotations, apiVersion, kind, labels, objectNames } from '../api/names.ts';
import type { TopologyConfig } from '../api/topologyConfig.ts';
import type { KubeClient } from '../kube/client.ts';
import { createLease, type LeaseWrite, microTime, readLease, updateLease } from '../kube/lease.ts';
import type { Lease } from '../kube/resources.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { LeaseFact } from '../plan/instanceFacts.ts';
import type { AgentSettings } from './agentSettings.ts';
import { readPublishedEpoch } from './publishedEpoch.ts';
import { Wake } from './wake.ts';

/** Half of what a Lease of the shortest length (5 s) could miss. */
export const renewEveryMs = 2_000;
const readEveryMs = 1_000;
/** Three tries fit into the shortest Lease. */
const requestTimeoutMs = 1_500;

/** What the primary adds to a renewal. */
export interface PrimaryPosition {
  readonly systemIdentifier: string | null;
  readonly timeline: number | null;
  readonly walPosition: string | null;
}

export interface PrimaryLeaseDeps {
  readonly kube: KubeClient;
  readonly settings: AgentSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** Told when holder or epoch differ from before. */
  readonly onChange: () => void;
  /** Of our topology; null until the settings were read. */
  readonly topologyUid: () => string | null;
}

type Known =
  | { readonly kind: 'unknown'; readonly reason: string }
  | { readonly kind: 'missing'; readonly sinceMs: number; readonly publishedEpoch: number | null }
  | { readonly kind: 'held'; readonly lease: Lease; readonly changedAtMs: number };

export class PrimaryLease {
  readonly #deps: PrimaryLeaseDeps;
  readonly #ref: { namespace: string; name: string };
  #known: Known = { kind: 'unknown', reason: 'it was not read yet' };
  #renewal: PrimaryPosition | null = null;
  #duration: number | undefined;
  #renewedAtMs = -Infinity;
  #complaint = '';
  readonly #wake = new Wake();

  constructor(deps: PrimaryLeaseDeps) {
    this.#deps = deps;
    const { namespace, topology } = deps.settings;
    this.#ref = { namespace, name: objectNames(topology).primaryLease };
  }

  get fact(): LeaseFact {
    const known = this.#known;
    const now = this.#deps.clock.now();
    if (known.kind === 'unknown') return known;
    if (known.kind === 'missing') {
      const { sinceMs, publishedEpoch } = known;
      return { kind: 'missing', missingForMs: now - sinceMs, publishedEpoch };
    }
    const topologyUid = this.#deps.topologyUid();
    if (topologyUid !== null && isOfAnother(known.lease, topologyUid)) return { kind: 'foreign' };
    return {
      kind: 'held',
      holder: known.lease.spec?.holderIdentity ?? '',
      epoch: known.lease.spec?.leaseTransitions ?? 0,
      systemIdentifier: known.lease.metadata.annotations?.[annotations.systemIdentifier] ?? null,
      unchangedForMs: now - known.changedAtMs,
    };
  }

  /** From now on renewals carry this position; null ends them. */
  renewWith(position: PrimaryPosition | null, leaseSeconds?: number): void {
    // Others wait for the first word about the database before they clone it.
    const isNews = (position?.systemIdentifier ?? null) !== null && this.#renewal?.systemIdentifier === null;
    this.#renewal = position;
    this.#duration = leaseSeconds ?? this.#duration;
    if (!isNews) return;
    this.#renewedAtMs = -Infinity;
    this.#wake.now();
  }

  /** Makes the Lease with ourselves as its holder. Somebody who was faster is found by the next reading. */
  async create(epoch: number, config: TopologyConfig, signal: AbortSignal): Promise<void> {
    const now = microTime(this.#deps.clock.wallNow());
    const { instance } = this.#deps.settings;
    const written = await this.#send(signal, (limit) =>
      createLease(
        this.#deps.kube,
        {
          ...this.#ref,
          labels: { [labels.topology]: config.topology.name },
          ownerReferences: [ownerOf(config)],
        },
        {
          spec: {
            holderIdentity: instance,
            leaseDurationSeconds: config.failover.leaseSeconds,
            leaseTransitions: epoch,
            acquireTime: now,
            renewTime: now,
          },
        },
        limit,
      ),
    );
    if (written.kind === 'written') {
      this.#deps.log.info({ epoch }, 'this instance has made the Lease and holds it');
      this.#learn(written.lease);
    } else {
      this.#deps.log.info({ epoch }, 'another instance has made the Lease');
      await this.#read(signal);
    }
  }

  /** Reads and renews until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (!signal.aborted) {
      const startedAt = clock.now();
      try {
        await this.#turn(signal);
        this.#complaint = '';
      } catch (error) {
        if (signal.aborted) return;
        this.#complain(error);
      }
      await this.#wake.pause(Math.max(0, readEveryMs - (clock.now() - startedAt)), clock, signal);
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const renewal = this.#renewal;
    const known = this.#known;
    const { fact } = this;
    const holds = fact.kind === 'held' && fact.holder === this.#deps.settings.instance;
    if (renewal === null || !holds || known.kind !== 'held') return this.#read(signal);
    const startedAt = this.#deps.clock.now();
    // Half a turn of tolerance: a timer that fires a little early must not put a renewal off by a whole turn.
    if (startedAt - this.#renewedAtMs < renewEveryMs - readEveryMs / 2) return;
    const content = {
      spec: {
        renewTime: microTime(this.#deps.clock.wallNow()),
        ...(this.#duration === undefined ? {} : { leaseDurationSeconds: this.#duration }),
      },
      annotations: { ...known.lease.metadata.annotations, ...positionAnnotations(renewal) },
    };
    const written = await this.#send(signal, (limit) =>
      updateLease(this.#deps.kube, known.lease, content, limit),
    );
    if (written.kind === 'refused') return this.#read(signal);
    this.#renewedAtMs = startedAt;
    this.#learn(written.lease);
  }

  async #read(signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]);
    const lease = await readLease(this.#deps.kube, this.#ref, limit);
    if (lease !== undefined) this.#learn(lease);
    else await this.#learnMissing(this.#deps.clock.now(), signal);
  }

  /** Only together with the epoch: whoever makes the Lease again must not go back behind it. */
  async #learnMissing(nowMs: number, signal: AbortSignal): Promise<void> {
    const { kube, settings, log } = this.#deps;
    const before = this.#known;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]);
    const publishedEpoch = await readPublishedEpoch(kube, settings, limit).catch((error: unknown) => {
      const isNews = before.kind !== 'missing' || before.publishedEpoch !== null;
      if (isNews) log.warn({ err: error }, 'there is no Lease, and the published endpoints cannot be read');
      return null;
    });
    // Who has made the Lease meanwhile, through `create`, knows better.
    if (this.#known !== before) return;
    const sinceMs = before.kind === 'missing' ? before.sinceMs : nowMs;
    this.#known = { kind: 'missing', sinceMs, publishedEpoch };
    if (before.kind !== 'missing' || before.publishedEpoch !== publishedEpoch) this.#deps.onChange();
  }

  #send(signal: AbortSignal, write: (limit: AbortSignal) => Promise<LeaseWrite>): Promise<LeaseWrite> {
    return write(AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]));
  }

  #learn(lease: Lease): void {
    const before = this.#known;
    const now = this.#deps.clock.now();
    if (before.kind === 'held' && before.lease.metadata.resourceVersion === lease.metadata.resourceVersion)
      return;
    this.#known = { kind: 'held', lease, changedAtMs: now };
    const same =
      before.kind === 'held' &&
      before.lease.spec?.holderIdentity === lease.spec?.holderIdentity &&
      before.lease.spec?.leaseTransitions === lease.spec?.leaseTransitions;
    if (!same) this.#deps.onChange();
  }

  /** Says it once, not with every attempt. */
  #complain(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (this.#known.kind === 'unknown') this.#known = { kind: 'unknown', reason: text };
    if (text === this.#complaint) return;
    this.#complaint = text;
    this.#deps.log.warn({ err: error }, 'the Lease can be neither read nor renewed');
  }
}

function positionAnnotations(position: PrimaryPosition): Record<string, string> {
  const { systemIdentifier, timeline, walPosition } = position;
  return {
    ...(systemIdentifier === null ? {} : { [annotations.systemIdentifier]: systemIdentifier }),
    ...(timeline === null ? {} : { [annotations.timeline]: String(timeline) }),
    ...(walPosition === null ? {} : { [annotations.walPosition]: walPosition }),
  };
}

function isOfAnother(lease: Lease, topologyUid: string): boolean {
  const owners = lease.metadata.ownerReferences?.filter((it) => it.kind === kind) ?? [];
  return owners.length > 0 && owners.every(({ uid }) => uid !== topologyUid);
}

/** The Lease goes when its topology goes. */
function ownerOf(config: TopologyConfig) {
  return { apiVersion, kind, name: config.topology.name, uid: config.topology.uid };
}
