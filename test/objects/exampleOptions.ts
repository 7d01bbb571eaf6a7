import type { DesiredOptions } from '../../src/objects/desiredObjects.ts';
import type { TopologyCredentials } from '../../src/objects/topologyCredentials.ts';

/** Words instead of real passwords and certificates, so that a golden file holds no key. */
export const exampleCredentials: TopologyCredentials = {
  superuserPassword: 'superuser-password',
  poolerPassword: 'pooler-password',
  applicationPassword: 'application-password',
  authority: { certificate: 'ca-certificate', key: 'ca-key', trusted: 'trusted-certificates' },
  instance: { certificate: 'instance-certificate', key: 'instance-key' },
  operator: { certificate: 'operator-certificate', key: 'operator-key' },
  pooler: { certificate: 'pooler-certificate', key: 'pooler-key' },
};

export const exampleOptions: DesiredOptions = {
  operatorImage: 'replica-manager:test',
  poolerImage: 'replica-manager-pgbouncer:test',
  credentials: exampleCredentials,
  systemIdentifier: '7300000000000000001',
  ordinals: [1, 2, 3],
  endpoints: {
    version: 1,
    topology: { namespace: 'shop', name: 'orders', systemIdentifier: '7300000000000000001' },
    epoch: 1,
    generation: 4,
    timeline: 1,
    publishedAt: '2026-01-02T03:04:05Z',
    primary: { name: 'orders-1', host: 'orders-1-0.orders-instances.shop.svc', port: 5432, zone: null },
    replicas: [],
    poolers: { readWrite: null, readOnly: null },
    routing: { maxLagSeconds: 10, resumeLagSeconds: 5, fallbackToPrimary: true },
  },
};
