import { expect, test } from 'vitest';
import { type MetricFamily, metricsText } from '../../src/service/metricsText.ts';
import { serviceMetrics } from '../../src/service/serviceMetrics.ts';
import { emptyStatus, managerStatus, replicaStatus, unknownLag } from '../fixtures/managerStatus.ts';

const families: readonly MetricFamily[] = [
  {
    name: 'lag_seconds',
    type: 'gauge',
    help: 'A "quoted" word, a back\\slash and\na line.',
    samples: [
      { labels: { replica: 'a"b\\c\nd' }, value: 0.25 },
      { labels: { replica: 'b' }, value: Number.POSITIVE_INFINITY },
    ],
  },
  { name: 'reads', type: 'counter', help: 'Reads.', samples: [{ labels: {}, value: 7 }] },
  { name: 'unknown', type: 'gauge', help: 'Has no sample.', samples: [] },
];

test('the text format of Prometheus', () => {
  expect(metricsText(families, 'text/plain')).toBe(
    [
      '# HELP lag_seconds A "quoted" word, a back\\\\slash and\\na line.',
      '# TYPE lag_seconds gauge',
      'lag_seconds{replica="a\\"b\\\\c\\nd"} 0.25',
      'lag_seconds{replica="b"} +Inf',
      '# HELP reads_total Reads.',
      '# TYPE reads_total counter',
      'reads_total 7',
      '',
    ].join('\n'),
  );
});

test('OpenMetrics', () => {
  expect(metricsText(families, 'application/openmetrics-text')).toBe(
    [
      '# HELP lag_seconds A \\"quoted\\" word, a back\\\\slash and\\na line.',
      '# TYPE lag_seconds gauge',
      'lag_seconds{replica="a\\"b\\\\c\\nd"} 0.25',
      'lag_seconds{replica="b"} +Inf',
      '# HELP reads Reads.',
      '# TYPE reads counter',
      'reads_total 7',
      '# EOF',
      '',
    ].join('\n'),
  );
});

const at = new Date();
const about = (status = managerStatus()) =>
  metricsText(
    serviceMetrics({ status, hasReadReplicas: true, at, streamClients: 2, isReady: true }),
    'text/plain',
  )
    .split('\n')
    .filter((line) => !line.startsWith('#') && line !== '');

test('a topology that is well, in metrics', () => {
  expect(about()).toEqual([
    'replica_manager_topology_known 1',
    'replica_manager_topology_epoch 12',
    'replica_manager_topology_generation 41',
    'replica_manager_topology_age_seconds{origin="environment"} 0.25',
    'replica_manager_topology_problems 0',
    'replica_manager_primary_connected 1',
    'replica_manager_has_read_replicas 1',
    'replica_manager_replicas 1',
    'replica_manager_replica_status{replica="read_replica",status="healthy"} 1',
    'replica_manager_replica_status{replica="read_replica",status="lagging"} 0',
    'replica_manager_replica_status{replica="read_replica",status="unhealthy"} 0',
    'replica_manager_replica_status{replica="read_replica",status="excluded"} 0',
    'replica_manager_replica_status{replica="read_replica",status="unknown"} 0',
    'replica_manager_replica_serving{replica="read_replica"} 1',
    'replica_manager_replica_lag_known{replica="read_replica"} 1',
    'replica_manager_replica_lag_seconds{replica="read_replica"} 2',
    'replica_manager_replica_lag_bytes{replica="read_replica"} 4096',
    'replica_manager_connections{instance_name="orders-1",role="primary",state="active"} 12',
    'replica_manager_connections{instance_name="orders-1",role="primary",state="idle"} 33',
    'replica_manager_connections{instance_name="read_replica",role="replica",state="active"} 8',
    'replica_manager_connections{instance_name="read_replica",role="replica",state="idle"} 17',
    'replica_manager_connections_waiting{instance_name="orders-1",role="primary"} 0',
    'replica_manager_connections_waiting{instance_name="read_replica",role="replica"} 0',
    'replica_manager_stream_clients 2',
    'replica_manager_reads_total 7',
    'replica_manager_writes_total 3',
    'replica_manager_fallbacks_total 1',
    'replica_manager_kept_on_primary_total 4',
    'replica_manager_retries_total 0',
    'replica_manager_denied_total 0',
    'replica_manager_ignored_tokens_total 2',
  ]);
});

test('what is not known has no sample, and that it is not known has one', () => {
  const replicas = [replicaStatus({ lag: unknownLag() })];
  expect(about(managerStatus({ replicas })).filter((line) => line.includes('lag_'))).toEqual([
    'replica_manager_replica_lag_known{replica="read_replica"} 0',
  ]);
  expect(about(emptyStatus()).filter((line) => line.includes('topology_'))).toEqual([
    'replica_manager_topology_known 0',
    'replica_manager_topology_problems 0',
  ]);
});
