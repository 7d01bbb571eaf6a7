// The status of the router as metrics. A value that is not known has no sample, so that no graph shows a 0 that
// nobody measured; `…_lag_known` and `…_topology_known` say what is missing, for alerts.

import type { InstanceStatus, ReplicaManagerStatus, RouterCounters } from '../router/routerStatus.ts';
import { isPrimaryConnected } from './guideAnswers.ts';
import { judgeReplicaState, replicaStates } from './judgeReplicaState.ts';
import type { MetricFamily, MetricSample } from './metricsText.ts';
import type { ServiceFacts } from './routes.ts';
import { withoutPasswords } from './withoutPasswords.ts';

export function serviceMetrics({ status, hasReadReplicas, streamClients }: ServiceFacts): MetricFamily[] {
  return [
    gauge('topology_known', 'Whether a topology is known (1) or not (0).', flag(status.topology !== null)),
    gauge('topology_epoch', 'How often the primary role has changed hands.', known(status.epoch)),
    gauge('topology_generation', 'Number of the endpoints document in use.', known(status.generation)),
    gauge('topology_age_seconds', 'Time since a source confirmed the topology.', sourceAges(status)),
    gauge(
      'topology_problems',
      'What a person should mend: sources that are not in use, refused probes.',
      only(status.problems.length),
    ),
    gauge('primary_connected', 'Whether the primary answered last.', flag(isPrimaryConnected(status))),
    gauge('has_read_replicas', 'Whether a read would go to a replica now.', flag(hasReadReplicas)),
    gauge('replicas', 'Replicas of the topology.', only(status.replicas.length)),
    gauge('replica_status', 'State of each replica: 1 for the one it is in.', replicaStateSamples(status)),
    gauge('replica_serving', 'Whether reads go to the replica now.', servingSamples(status)),
    gauge('replica_lag_known', 'Whether the lag of the replica is known.', lagKnownSamples(status)),
    gauge('replica_lag_seconds', 'How far the replica is behind.', lagSamples(status, 'seconds')),
    gauge('replica_lag_bytes', 'How much the replica has yet to replay.', lagSamples(status, 'bytes')),
    gauge('connections', 'Connections of this process.', connectionSamples(status)),
    gauge('connections_waiting', 'Statements that wait for a connection.', waitingSamples(status)),
    gauge('stream_clients', 'Clients of the endpoints stream.', only(streamClients)),
    ...counterFamilies(status.counters),
  ];
}

const prefix = 'replica_manager_';

function gauge(name: string, help: string, samples: readonly MetricSample[]): MetricFamily {
  return { name: `${prefix}${name}`, type: 'gauge', help, samples };
}

const only = (value: number): MetricSample[] => [{ labels: {}, value }];
const known = (value: number | null): MetricSample[] => (value === null ? [] : only(value));
const flag = (isSo: boolean): MetricSample[] => only(isSo ? 1 : 0);

function sourceAges({ sources }: ReplicaManagerStatus): MetricSample[] {
  return sources.flatMap(({ origin, ageMs }) =>
    ageMs === null ? [] : [{ labels: { origin: withoutPasswords(origin) }, value: ageMs / 1_000 }],
  );
}

function replicaStateSamples(status: ReplicaManagerStatus): MetricSample[] {
  return status.replicas.flatMap((replica) => {
    const current = judgeReplicaState(replica, status);
    return replicaStates.map((state) => ({
      labels: { replica: replica.name, status: state },
      value: state === current ? 1 : 0,
    }));
  });
}

function servingSamples({ replicas }: ReplicaManagerStatus): MetricSample[] {
  return replicas.map(({ name, verdict }) => ({
    labels: { replica: name },
    value: verdict.kind === 'serving' ? 1 : 0,
  }));
}

function lagKnownSamples({ replicas }: ReplicaManagerStatus): MetricSample[] {
  return replicas.map(({ name, lag }) => ({
    labels: { replica: name },
    value: lag.seconds === null ? 0 : 1,
  }));
}

function lagSamples({ replicas }: ReplicaManagerStatus, unit: 'seconds' | 'bytes'): MetricSample[] {
  return replicas.flatMap(({ name, lag }) => {
    const value = lag[unit];
    return value === null ? [] : [{ labels: { replica: name }, value }];
  });
}

function connectionSamples(status: ReplicaManagerStatus): MetricSample[] {
  return instancesOf(status).flatMap(({ name, role, connections: { total, idle } }) => [
    { labels: { instance_name: name, role, state: 'active' }, value: total - idle },
    { labels: { instance_name: name, role, state: 'idle' }, value: idle },
  ]);
}

function waitingSamples(status: ReplicaManagerStatus): MetricSample[] {
  return instancesOf(status).map(({ name, role, connections }) => ({
    labels: { instance_name: name, role },
    value: connections.waiting,
  }));
}

/** Prometheus itself puts the scraped address into `instance`, so the server's name has another label. */
function instancesOf({ primary, replicas }: ReplicaManagerStatus): readonly InstanceStatus[] {
  return primary === null ? replicas : [primary, ...replicas];
}

const counterHelp: Readonly<Record<keyof RouterCounters, string>> = {
  reads: 'Statements that were routed as reads.',
  writes: 'Statements that were routed to the primary: writes, and reads that asked for it.',
  fallbacks: 'Reads that went to the primary because no replica could take them.',
  keptOnPrimary:
    'Reads that went to the primary because no replica was known to have what they must see, while one served.',
  retries: 'Statements that were sent once more.',
  denied: 'Statements that were refused before they were sent.',
  learned: 'Statements that a replica refused and that go to the primary since.',
  ignoredTokens: 'Consistency tokens of clients that were not believed.',
};

function counterFamilies(counters: RouterCounters): MetricFamily[] {
  return Object.entries(counterHelp).map(([name, help]) => ({
    name: `${prefix}${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`,
    type: 'counter',
    help,
    samples: known(counters[name as keyof RouterCounters]),
  }));
}
