// The operator: watches, waits for its turn, then reconciles and probes until it is told to stop or has lost its turn.
//
// Invariant: only the leader writes and only the leader probes. A replica that waits keeps its stores warm, so that it takes
// over with what it already knows.

import type { KubeClient } from '../kube/client.ts';
import { runController } from '../kube/controller.ts';
import { EventRecorder } from '../kube/eventRecorder.ts';
import type { LiveObject } from '../kube/kubeObject.ts';
import { type ElectionEnd, LeaderElector } from '../kube/leaderElection.ts';
import type { Lease } from '../kube/resources.ts';
import { objectKey } from '../kube/store.ts';
import { WorkQueue } from '../kube/workQueue.ts';
import { canonicalJson } from '../lib/canonicalJson.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Deps, Images } from './deps.ts';
import { followInstances, noteLease } from './followInstances.ts';
import { Memory } from './memory.ts';
import { countedClient, Metrics } from './metrics.ts';
import { NodeZones } from './nodeZones.ts';
import { runOperatorServer } from './operatorServer.ts';
import { Probes } from './probes.ts';
import { readLeaseFacts } from './readLease.ts';
import { reconcile } from './reconcile.ts';
import { reconcileDeadlineMs, Watchdog } from './watchdog.ts';
import { type OwnedKind, Watches } from './watches.ts';

export interface OperatorOptions {
  /** Where the Lease of the election lives. */
  readonly namespace: string;
  /** Its name; operators with the same one take turns. */
  readonly electionLease: string;
  readonly podName: string;
  /** Different for every process. */
  readonly identity: string;
  /** All namespaces when undefined. */
  readonly watchNamespaces: readonly string[] | undefined;
  readonly images: Images;
  readonly port: number;
}

export interface OperatorWorld {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: () => number;
  readonly randomBytes: (size: number) => Buffer;
  readonly log: Log;
}

/** A safety net for what no watch has told: every topology is looked at so often. */
const resyncMs = 600_000;

/** Runs until the signal is aborted (`stopped`) or leadership is lost (`lost`: the process had better end). */
export async function runOperator(
  options: OperatorOptions,
  world: OperatorWorld,
  signal: AbortSignal,
): Promise<ElectionEnd> {
  const metrics = new Metrics();
  const client = countedClient(world.client, (verb, status) => metrics.countRequest(verb, status));
  const { clock, random, log } = world;
  const kube = { client, clock, random, log };
  const watches = new Watches(kube, options.watchNamespaces);
  const events = new EventRecorder(kube, {
    reportingController: 'replica-manager.io/operator',
    reportingInstance: options.podName,
  });
  const deps = buildDeps(options, { ...world, client }, watches, events, metrics);
  const dog = new Watchdog(clock);
  const stop = new AbortController();
  const until = AbortSignal.any([signal, stop.signal]);
  const elector = new LeaderElector(
    { ...kube, clock: dog.electionClock },
    {
      lease: { namespace: options.namespace, name: options.electionLease },
      identity: options.identity,
    },
  );
  const server = {
    port: options.port,
    metrics: () => metrics.registry.metrics(),
    trouble: () => dog.trouble,
    unready: () => unreadyReason(watches),
  };

  async function elect(): Promise<ElectionEnd> {
    await watches.synced();
    log.info({}, 'the caches are filled, waiting to become leader');
    return elector.run((leadership) => lead(deps, metrics, dog, leadership), until);
  }

  const background = [watches.run(until), events.run(until), runOperatorServer(server, until)];
  try {
    return await Promise.race([elect(), failure(background)]);
  } catch (error) {
    if (signal.aborted) return 'stopped';
    throw error;
  } finally {
    stop.abort();
    await Promise.allSettled(background);
  }
}

/** A watch that breaks is opened again from where it was; only what has to be listed is unknown. */
function unreadyReason({ health }: Watches): string | undefined {
  const filled = health.filter((it) => it.phase === 'watching').length;
  if (filled === health.length) return undefined;
  return `the caches are not filled yet: ${filled} of ${health.length} are`;
}

/** Rejects as soon as one of them does, and never resolves: an end without a failure is nobody's news. */
async function failure(running: readonly Promise<void>[]): Promise<never> {
  await Promise.all(running);
  return new Promise(() => {});
}

function buildDeps(
  options: OperatorOptions,
  world: OperatorWorld,
  watches: Watches,
  events: EventRecorder,
  metrics: Metrics,
): Deps {
  const { client, clock, random } = world;
  const queue = new WorkQueue({ clock, random });
  metrics.watchQueue(queue);
  const probes = new Probes({
    clock,
    random,
    log: world.log,
    onNews: (key) => queue.add(key),
    onProbe: (key, instance, facts, result) => metrics.showProbe(key, instance, facts, result),
    onForgotten: (key, instance) => metrics.forgetInstance(key, instance),
  });
  const zones = new NodeZones(client, clock);
  return { ...world, watches, events, queue, probes, zones, memory: new Memory(), images: options.images };
}

async function lead(deps: Deps, metrics: Metrics, dog: Watchdog, signal: AbortSignal): Promise<void> {
  const { watches, probes, queue, clock, log } = deps;
  log.info({}, 'this operator leads');
  watches.onChange((key, kind, now, before) => {
    if (!signal.aborted) takeChange(key, kind, now, before, deps);
  });
  const lookAtAll = () => {
    for (const { metadata } of watches.topologies.list()) {
      const key = objectKey(metadata);
      followInstances(key, watches, probes);
      queue.add(key);
    }
  };
  lookAtAll();
  const resync = async () => {
    while (!signal.aborted) {
      await clock.sleep(resyncMs, signal).catch(() => {});
      if (!signal.aborted) lookAtAll();
    }
  };
  const controller = {
    name: 'topology',
    queue,
    reconcile: (key: string, stop: AbortSignal) => dog.reconciling(key, () => reconcile(key, deps, stop)),
    timeoutMs: reconcileDeadlineMs,
    onResult: (result: Parameters<Metrics['countReconcile']>[0]) => metrics.countReconcile(result),
    clock,
    log,
  };
  try {
    await Promise.all([runController(controller, signal), resync()]);
  } finally {
    probes.stop();
  }
}

const kindsThatMoveProbes: ReadonlySet<string> = new Set(['Pod', 'Secret', 'ReplicatedPostgres']);

function takeChange(
  key: string,
  kind: OwnedKind | 'ReplicatedPostgres',
  now: LiveObject | undefined,
  before: LiveObject | undefined,
  { watches, probes, queue, memory }: Deps,
): void {
  if (kind === 'ReplicatedPostgres' && before === undefined && now !== undefined) {
    memory.of(key).hasSaidFarewell = false;
  }
  if (kindsThatMoveProbes.has(kind)) followInstances(key, watches, probes);
  if (kind === 'Lease') {
    noteLease(key, watches, probes);
    if (isRenewal(now as Lease | undefined, before as Lease | undefined)) return;
  }
  queue.add(key);
}

/** The primary renews its Lease every two seconds; that alone changes nothing that is decided here. */
function isRenewal(now: Lease | undefined, before: Lease | undefined): boolean {
  if (now === undefined || before === undefined) return false;
  return canonicalJson(readLeaseFacts(now)) === canonicalJson(readLeaseFacts(before));
}
