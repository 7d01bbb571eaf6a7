// The usual lag query reads 0 on a replica that lost its primary: everything received is replayed.
// Here its lag is unknown until it streams again.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keepDoing } from '../fixtures/keepDoing.ts';
import { eventually } from '../fixtures/kubectl.ts';
import { instanceStatus, primaryName, readTopology, readyTopology, sql } from '../fixtures/topology.ts';

const cutOff = 'orders-2';

beforeAll(async () => {
  await readyTopology();
});

afterAll(async () => {
  await readyTopology();
});

test('a replica whose WAL receiver is down has unknown lag, never 0', async () => {
  const seen: unknown[] = [];
  const primary = await primaryName();
  // PostgreSQL starts a new receiver within seconds, so it is killed again and again while we look.
  await using _killing = keepDoing(() =>
    sql(
      primary,
      `select pg_terminate_backend(pid) from pg_stat_replication where application_name = '${cutOff}'`,
    ),
  );

  await eventually(
    'its receiver is shown as down',
    30_000,
    () => instanceStatus(cutOff),
    ({ receiver }) => receiver !== 'streaming',
    50,
  );
  for (let look = 0; look < 20; look += 1) {
    const status = (await readTopology())?.status;
    const instance = status?.instances?.find(({ name }) => name === cutOff);
    if (instance?.receiver === 'streaming') continue;
    seen.push({ lagSeconds: instance?.lagSeconds, lagBytes: instance?.lagBytes, maxLag: status?.maxLag });
  }
  expect(seen.length).toBeGreaterThan(0);
  expect(seen).toEqual(seen.map(() => ({ lagSeconds: undefined, lagBytes: undefined, maxLag: 'unknown' })));
});

test('its lag is known again when it streams again', async () => {
  await eventually(
    'it streams',
    30_000,
    () => instanceStatus(cutOff),
    ({ receiver, lagSeconds }) => receiver === 'streaming' && lagSeconds !== undefined,
  );
});
