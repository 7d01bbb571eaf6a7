import type { TopologyConfig } from '../../src/api/topologyConfig.ts';

/** Settings of `shop/orders`; say only what differs of the pooler's. */
export function topologyConfig(pooler: Partial<TopologyConfig['pooler']> = {}): TopologyConfig {
  return {
    version: 1,
    topology: { namespace: 'shop', name: 'orders', uid: '6f0d8c5e-0000-4000-8000-000000000001' },
    systemIdentifier: '7421000000000000001',
    postgres: { version: 17, parameters: {}, hba: [] },
    bootstrap: { database: 'app', owner: 'app' },
    replication: { durability: 'quorum', whenNoReplica: 'wait', maxSlotWalKeepSizeBytes: 8_589_934_592 },
    failover: { leaseSeconds: 10, maxLagBytes: 16_777_216, delaySeconds: 0 },
    instances: ['orders-1', 'orders-2', 'orders-3'].map((name) => ({
      name,
      host: `${name}-0.orders-instances.shop.svc`,
    })),
    pooler: {
      readWrite: { poolSize: 25 },
      readOnly: { poolSize: 50 },
      maxClientConnections: 1000,
      ...pooler,
    },
  };
}
