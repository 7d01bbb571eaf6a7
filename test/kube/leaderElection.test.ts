import { afterEach, expect, test } from 'vitest';
import { type LeaderElectionOptions, LeaderElector } from '../../src/kube/leaderElection.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import { failure, reset, ScriptedApiServer, silence } from '../fixtures/scriptedApiServer.ts';
import { clientOf, recordingLog, until } from './kubeFixtures.ts';
import { MemoryObjects } from './memoryObjects.ts';

const path = '/apis/coordination.k8s.io/v1/namespaces/shop/leases/operator';
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

async function startServer() {
  const api = await ScriptedApiServer.start();
  const objects = new MemoryObjects();
  api.answerAlways(objects.answer);
  endings.push(() => api.close());
  const lease = () => objects.objects.get(path) as unknown as { spec: Record<string, unknown> } | undefined;
  return { api, objects, lease };
}

/** A candidate with a clock of its own, as a process on another machine has. */
function candidate(api: ScriptedApiServer, identity: string, options: Partial<LeaderElectionOptions> = {}) {
  const clock = new ManualClock();
  const log = recordingLog();
  const client = clientOf(api.url, { clock });
  const events: string[] = [];
  const elector = new LeaderElector(
    { client, clock, random: () => 0, log },
    {
      lease: { namespace: 'shop', name: 'operator' },
      identity,
      onLeader: (leader) => events.push(`leader is ${leader}`),
      onLost: () => events.push('lost'),
      ...options,
    },
  );
  const stop = new AbortController();
  const finishing = Promise.withResolvers<void>();
  const lead = async (signal: AbortSignal) => {
    events.push('leads');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    events.push('stops leading');
    await finishing.promise;
  };
  const running = elector.run(lead, stop.signal);
  endings.push(async () => {
    finishing.resolve();
    stop.abort();
    await running.catch(() => {});
    client.close();
  });
  return { clock, log, elector, events, stop, running, finish: () => finishing.resolve() };
}

/** Lets `count` attempts pass, each after its retry period. */
async function attempts(clock: ManualClock, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await clock.pass(2_000);
  await clock.slept(2_000);
}

test('the first candidate makes the Lease, leads and renews it every two seconds', async () => {
  const { api, lease } = await startServer();
  const one = candidate(api, 'one');
  await one.clock.slept(2_000);
  const acquired = lease()?.spec;

  await attempts(one.clock, 3);

  expect(acquired).toEqual({
    holderIdentity: 'one',
    leaseDurationSeconds: 15,
    leaseTransitions: 0,
    acquireTime: '2026-01-01T00:16:40.000000Z',
    renewTime: '2026-01-01T00:16:40.000000Z',
  });
  expect(lease()?.spec).toEqual({ ...acquired, renewTime: '2026-01-01T00:16:46.000000Z' });
  expect(one.events).toEqual(['leader is one', 'leads']);
  expect(api.requests.map(({ method }) => method)).toEqual(['GET', 'POST', 'PUT', 'PUT', 'PUT']);
});

test('another candidate waits the whole lease duration from when it last saw the Lease change', async () => {
  const { api, lease } = await startServer();
  const one = candidate(api, 'one');
  await one.clock.slept(2_000);
  const two = candidate(api, 'two');
  await two.clock.slept(2_000);

  // The clocks run apart: hours pass for the second one while it sees renewals.
  for (let i = 0; i < 10; i += 1) {
    await attempts(one.clock, 1);
    two.clock.advance(14_000);
    await two.clock.slept(2_000);
  }
  expect(two.events).toEqual(['leader is one']);
  two.clock.advance(14_999);
  await two.clock.slept(2_000);
  expect(two.events).toEqual(['leader is one']);
  two.clock.advance(2_000);
  await until(() => two.events.includes('leads'));

  expect(lease()?.spec).toMatchObject({ holderIdentity: 'two', leaseTransitions: 1 });
});

test('of two candidates for an expired Lease exactly one wins', async () => {
  const { api } = await startServer();
  const one = candidate(api, 'one');
  await one.clock.slept(2_000);
  const others = ['two', 'three'].map((identity) => candidate(api, identity));
  for (const { clock } of others) await clock.slept(2_000);

  for (const { clock } of others) clock.advance(15_000);
  for (const { clock } of others) await clock.slept(2_000);
  for (const { clock } of others) clock.advance(2_000);
  for (const { clock } of others) await clock.slept(2_000);

  expect(others.filter(({ events }) => events.includes('leads')).length).toBe(1);
});

test.each([
  ['answers 500', failure(500, 'InternalError')],
  ['breaks connections', reset],
])('a leader whose server %s stops leading before the lease has run out', async (_name, trouble) => {
  const { api } = await startServer();
  const one = candidate(api, 'one');
  await one.clock.slept(2_000);
  const start = one.clock.now();

  api.answerAlways(trouble);
  await attempts(one.clock, 4);
  expect(one.events).toEqual(['leader is one', 'leads']);
  await one.clock.pass(2_000);
  await until(() => one.events.includes('stops leading'));

  expect(one.clock.now() - start).toBe(10_000);
  expect(one.events).toEqual(['leader is one', 'leads', 'leader is undefined', 'lost', 'stops leading']);
  one.finish();
  expect(await one.running).toBe('lost');
});

test('a leader whose server says nothing stops leading at its deadline, not when its requests give up', async () => {
  const { api } = await startServer();
  const one = candidate(api, 'one');
  await one.clock.slept(2_000);
  const start = one.clock.now();

  api.answerAlways(silence);
  const seen = api.requests.length;
  await one.clock.pass(2_000);
  await api.request(seen + 1);
  await one.clock.pass(5_000);
  await one.clock.pass(2_000);
  await api.request(seen + 2);
  await one.clock.pass(1_000);
  await until(() => one.events.includes('stops leading'));

  expect(one.clock.now() - start).toBe(10_000);
});

test('a renewal counts from when it was sent, not from when it was answered', async () => {
  const { api, objects } = await startServer();
  const one = candidate(api, 'one');
  await one.clock.slept(2_000);
  const start = one.clock.now();
  const gate = Promise.withResolvers<void>();
  api.answerAlways(async (response, request) => {
    await gate.promise;
    await objects.answer(response, request);
  });
  const seen = api.requests.length;

  await one.clock.pass(2_000);
  await api.request(seen + 1);
  one.clock.advance(3_000);
  gate.resolve();
  await one.clock.slept(2_000);
  api.answerAlways(failure(500, 'InternalError'));
  for (let attempt = 0; attempt < 3; attempt += 1) await one.clock.pass(2_000);
  await one.clock.pass(1_000);
  await until(() => one.events.includes('stops leading'));

  expect(one.clock.now() - start).toBe(12_000);
});

test('a leader that finds another holder in its Lease stops at once', async () => {
  const { api, objects } = await startServer();
  const one = candidate(api, 'one');
  await one.clock.slept(2_000);
  const stolen = structuredClone(objects.objects.get(path)) as {
    metadata: { name: string; resourceVersion?: string };
    spec: { holderIdentity: string };
  };
  stolen.spec.holderIdentity = 'thief';
  stolen.metadata.resourceVersion = '999';
  objects.objects.set(path, stolen);

  await one.clock.pass(2_000);
  await until(() => one.events.includes('stops leading'));

  expect(one.events).toEqual(['leader is one', 'leads', 'leader is undefined', 'lost', 'stops leading']);
});

test('a leader whose Lease was changed by somebody else but not taken goes on', async () => {
  const { api, objects, lease } = await startServer();
  const one = candidate(api, 'one');
  await one.clock.slept(2_000);
  const labelled = structuredClone(objects.objects.get(path)) as {
    metadata: { name: string; resourceVersion?: string };
  };
  labelled.metadata.resourceVersion = '999';
  objects.objects.set(path, labelled);

  await attempts(one.clock, 2);

  expect(one.events).toEqual(['leader is one', 'leads']);
  expect(lease()?.spec).toMatchObject({ renewTime: '2026-01-01T00:16:44.000000Z' });
});

test('a leader whose Lease was deleted makes it again', async () => {
  const { api, objects, lease } = await startServer();
  const one = candidate(api, 'one');
  await one.clock.slept(2_000);
  objects.delete(path);

  await attempts(one.clock, 1);

  expect(one.events).toEqual(['leader is one', 'leads']);
  expect(lease()?.spec).toMatchObject({ holderIdentity: 'one' });
});

test('a leader that is stopped keeps its Lease until its work has ended, and then gives it up', async () => {
  const { api, lease } = await startServer();
  const one = candidate(api, 'one');
  await one.clock.slept(2_000);

  one.stop.abort();
  await attempts(one.clock, 3);
  expect(one.events.at(-1)).toBe('stops leading');
  expect(lease()?.spec).toMatchObject({ holderIdentity: 'one', renewTime: '2026-01-01T00:16:46.000000Z' });
  one.finish();

  expect(await one.running).toBe('stopped');
  expect(lease()?.spec).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 });
  const two = candidate(api, 'two');
  await until(() => two.events.includes('leads'));
});

test('a candidate that is stopped while it waits leaves the Lease alone', async () => {
  const { api, lease } = await startServer();
  const one = candidate(api, 'one');
  await one.clock.slept(2_000);
  const two = candidate(api, 'two');
  await two.clock.slept(2_000);

  two.stop.abort();

  expect(await two.running).toBe('stopped');
  expect(lease()?.spec).toMatchObject({ holderIdentity: 'one' });
});

test('work that fails gives the Lease up and is thrown', async () => {
  const { api, lease } = await startServer();
  const clock = new ManualClock();
  const client = clientOf(api.url, { clock });
  endings.push(() => client.close());
  const elector = new LeaderElector(
    { client, clock, random: () => 0, log: recordingLog() },
    { lease: { namespace: 'shop', name: 'operator' }, identity: 'one' },
  );

  await expect(
    elector.run(() => Promise.reject(new Error('a bug')), new AbortController().signal),
  ).rejects.toThrow('a bug');

  expect(lease()?.spec).toMatchObject({ holderIdentity: '' });
});

test('a candidate survives a server that is away', async () => {
  const { api, objects } = await startServer();
  api.answerAlways(reset);
  const one = candidate(api, 'one');

  await attempts(one.clock, 2);
  api.answerAlways(objects.answer);
  await one.clock.pass(2_000);
  await until(() => one.events.includes('leads'));

  expect(one.log.lines.filter(({ level }) => level === 'warn').length).toBe(3);
});

test('a renew deadline that does not end before the lease is refused', () => {
  const make = () =>
    new LeaderElector(
      {
        client: clientOf(new URL('http://127.0.0.1:1')),
        clock: new ManualClock(),
        random: () => 0,
        log: recordingLog(),
      },
      {
        lease: { namespace: 'a', name: 'b' },
        identity: 'x',
        leaseDurationMs: 10_000,
        renewDeadlineMs: 10_000,
      },
    );

  expect(make).toThrow('two leaders overlap');
});
