// Numbers about the operator and what it measures, for Prometheus.
//
// Invariant: series of an instance exist as long as it is probed, so that a topology that is gone leaves nothing behind.

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { KubeClient, KubeRequest, KubeStreamRequest } from '../kube/client.ts';
import type { ReconcileResult } from '../kube/controller.ts';
import type { WorkQueue } from '../kube/workQueue.ts';
import type { ProbeResult } from './prober.ts';
import type { ProbedFacts } from './topologyProbes.ts';

const instanceLabels = ['namespace', 'topology', 'instance'] as const;

export class Metrics {
  readonly registry = new Registry();
  readonly #reconciles: Counter<'outcome'>;
  readonly #durations: Histogram<'outcome'>;
  readonly #requests: Counter<'verb' | 'status'>;
  readonly #probeFailures: Counter<(typeof instanceLabels)[number]>;
  readonly #lagSeconds: Gauge<(typeof instanceLabels)[number]>;
  readonly #lagBytes: Gauge<(typeof instanceLabels)[number]>;
  readonly #ready: Gauge<(typeof instanceLabels)[number]>;
  readonly #routable: Gauge<(typeof instanceLabels)[number]>;

  constructor() {
    const registers = [this.registry];
    const gauge = (name: string, help: string) =>
      new Gauge({ name: `replica_manager_instance_${name}`, help, labelNames: instanceLabels, registers });
    this.#reconciles = new Counter({
      name: 'replica_manager_reconciles_total',
      help: 'Cycles that have ended, by how they ended.',
      labelNames: ['outcome'],
      registers,
    });
    this.#durations = new Histogram({
      name: 'replica_manager_reconcile_seconds',
      help: 'How long cycles took.',
      labelNames: ['outcome'],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers,
    });
    this.#requests = new Counter({
      name: 'replica_manager_api_requests_total',
      help: 'Requests to the API server by verb and status; status 0 when no answer arrived.',
      labelNames: ['verb', 'status'],
      registers,
    });
    this.#probeFailures = new Counter({
      name: 'replica_manager_probe_failures_total',
      help: 'Probes of an instance that got no answer.',
      labelNames: instanceLabels,
      registers,
    });
    this.#lagSeconds = gauge(
      'lag_seconds',
      'Age of the newest position of the primary that the instance has replayed.',
    );
    this.#lagBytes = gauge('lag_bytes', 'WAL that the instance has not replayed yet.');
    this.#ready = gauge('ready', '1 while the instance answers.');
    this.#routable = gauge('routable', '1 while clients may read from the instance.');
  }

  /** Adds what is only known once it exists. */
  watchQueue(queue: WorkQueue): void {
    const registers = [this.registry];
    const show = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    show('replica_manager_queue_depth', 'Topologies that wait for a cycle.', () => queue.depth);
    show('replica_manager_memory_bytes', 'Resident memory of the process.', () => process.memoryUsage.rss());
  }

  countReconcile({ kind, durationMs }: ReconcileResult): void {
    this.#reconciles.inc({ outcome: kind });
    this.#durations.observe({ outcome: kind }, durationMs / 1000);
  }

  countRequest(verb: string, status: number): void {
    this.#requests.inc({ verb, status: String(status) });
  }

  showProbe(key: string, instance: string, { lag, reads, probe }: ProbedFacts, result: ProbeResult): void {
    const series = seriesOf(key, instance);
    if (result.kind === 'unreachable') this.#probeFailures.inc(series);
    this.#ready.set(series, probe.kind === 'measured' ? 1 : 0);
    this.#routable.set(series, reads.routable ? 1 : 0);
    // An unknown lag has no series: a number that stays would be read as a measurement.
    if (lag.seconds === undefined) this.#lagSeconds.remove(series);
    else this.#lagSeconds.set(series, lag.seconds);
    if (lag.bytes === undefined) this.#lagBytes.remove(series);
    else this.#lagBytes.set(series, lag.bytes);
  }

  forgetInstance(key: string, instance: string): void {
    const series = seriesOf(key, instance);
    for (const metric of [
      this.#probeFailures,
      this.#lagSeconds,
      this.#lagBytes,
      this.#ready,
      this.#routable,
    ]) {
      metric.remove(series);
    }
  }
}

/** A client that counts requests and watches by the status of their answer, and as 0 what got none. */
export function countedClient(client: KubeClient, count: (verb: string, status: number) => void): KubeClient {
  return {
    fieldManager: client.fieldManager,
    async request<T>(request: KubeRequest): Promise<T> {
      const answers = countAnswers(request.method, request, count);
      try {
        return await client.request<T>({ ...request, onAnswer: answers.onAnswer });
      } finally {
        answers.end();
      }
    },
    async *stream<T>(request: KubeStreamRequest): AsyncGenerator<T, void, void> {
      const answers = countAnswers('WATCH', request, count);
      try {
        yield* client.stream<T>({ ...request, onAnswer: answers.onAnswer });
      } finally {
        answers.end();
      }
    },
    close: () => client.close(),
  };
}

function countAnswers(
  verb: string,
  asked: Pick<KubeRequest, 'onAnswer'>,
  count: (verb: string, status: number) => void,
) {
  let isAnswered = false;
  return {
    onAnswer: (status: number) => {
      isAnswered = true;
      count(verb, status);
      asked.onAnswer?.(status);
    },
    end: () => {
      if (!isAnswered) count(verb, 0);
    },
  };
}

function seriesOf(key: string, instance: string) {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), topology: key.slice(slash + 1), instance };
}
