import { afterEach, expect, test } from 'vitest';
import { EventRecorder, type Occurrence } from '../../src/kube/eventRecorder.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import { failure, json, reset, ScriptedApiServer } from '../fixtures/scriptedApiServer.ts';
import { clientOf, pod, recordingLog, until } from './kubeFixtures.ts';

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

async function record() {
  const api = await ScriptedApiServer.start();
  const clock = new ManualClock();
  const client = clientOf(api.url, { clock });
  let randoms = 0;
  const random = () => {
    randoms += 1;
    return randoms / 2 ** 20;
  };
  const recorder = new EventRecorder(
    { client, clock, random, log: recordingLog() },
    { reportingController: 'replica-manager.io/operator', reportingInstance: 'operator-0' },
  );
  const stop = new AbortController();
  const running = recorder.run(stop.signal);
  endings.push(async () => {
    stop.abort();
    await running;
    client.close();
    await api.close();
  });
  return { api, clock, recorder };
}

const happened = (occurrence: Partial<Occurrence> = {}): Occurrence => ({
  regarding: pod('orders-1', 7),
  type: 'Normal',
  reason: 'Promoted',
  action: 'Promote',
  note: 'orders-1 is primary',
  ...occurrence,
});
const bodies = (api: ScriptedApiServer) => api.requests.map(({ method, body }) => [method, body]);

test('an occurrence is written as an event in the namespace of its object', async () => {
  const { api, recorder } = await record();
  api.answer('other', json({}));

  recorder.record(happened({ related: pod('orders-2', 8) }));
  await api.request(1);

  const reference = { apiVersion: 'v1', kind: 'Pod', namespace: 'shop' };
  expect(api.requests[0]?.path).toBe('/apis/events.k8s.io/v1/namespaces/shop/events');
  expect(api.requests[0]?.body).toEqual({
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace: 'shop', name: 'orders-1.0000100000000' },
    eventTime: '2026-01-01T00:16:40.000000Z',
    reportingController: 'replica-manager.io/operator',
    reportingInstance: 'operator-0',
    regarding: { ...reference, name: 'orders-1', uid: 'orders-1-uid', resourceVersion: '7' },
    related: { ...reference, name: 'orders-2', uid: 'orders-2-uid', resourceVersion: '8' },
    type: 'Normal',
    reason: 'Promoted',
    action: 'Promote',
    note: 'orders-1 is primary',
  });
});

test('the same again becomes a series: the second time is told at once, later ones once a minute', async () => {
  const { api, clock, recorder } = await record();
  api.answerAlways(json({}));

  recorder.record(happened());
  await api.request(1);
  clock.advance(1_000);
  recorder.record(happened());
  await api.request(2);
  for (let i = 0; i < 5; i += 1) recorder.record(happened());
  await clock.slept(5_000);
  expect(api.requests.length).toBe(2);
  clock.advance(60_000);
  await api.request(3);

  expect(bodies(api).slice(1)).toEqual([
    ['PATCH', { series: { count: 2, lastObservedTime: '2026-01-01T00:16:41.000000Z' } }],
    ['PATCH', { series: { count: 7, lastObservedTime: '2026-01-01T00:16:41.000000Z' } }],
  ]);
});

test('the same after six minutes is a new event', async () => {
  const { api, clock, recorder } = await record();
  api.answerAlways(json({}));

  recorder.record(happened());
  await api.request(1);
  await clock.slept(5_000);
  clock.advance(6 * 60_000);
  recorder.record(happened());
  await api.request(2);

  expect(api.requests.map(({ method }) => method)).toEqual(['POST', 'POST']);
});

test('many different sentences for one reason are cut off, those of other objects and reasons are not', async () => {
  const { api, recorder } = await record();
  api.answerAlways(json({}));

  for (let i = 0; i < 30; i += 1) recorder.record(happened({ note: `lag is ${i}` }));
  recorder.record(happened({ reason: 'Demoted' }));
  recorder.record(happened({ regarding: pod('orders-2', 1) }));
  await api.request(12);

  expect(api.requests.length).toBe(12);
  expect(recorder.lost).toBe(20);
});

test('events wait for a server that is away, up to a number, and then get lost without anybody noticing', async () => {
  const { api, clock, recorder } = await record();
  api.answerAlways(reset);

  for (let i = 0; i < 300; i += 1) recorder.record(happened({ regarding: pod(`p${i}`, 1) }));
  // 256 wait, or one more when the first is under way already.
  expect(recorder.lost).toBeGreaterThanOrEqual(43);
  await clock.slept(5_000);
  api.answerAlways(json({}));
  clock.advance(5_000);
  await until(() => api.requests.length >= 256);

  expect(recorder.lost).toBeLessThanOrEqual(44);
});

test('an event that the server refuses is lost, and the next time it is a new one', async () => {
  const { api, clock, recorder } = await record();
  api.answer('other', failure(422, 'Invalid'), json({}));

  recorder.record(happened());
  await api.request(1);
  await clock.slept(5_000);
  expect(recorder.lost).toBe(1);
  recorder.record(happened());

  expect((await api.request(2)).method).toBe('POST');
});

test('a long note is cut at a character, within the 1024 bytes of the API', async () => {
  const { api, recorder } = await record();
  api.answer('other', json({}));

  recorder.record(happened({ note: 'é'.repeat(600) }));
  const { note } = (await api.request(1)).body as { note: string };

  expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
  expect(note).toMatch(/^é+…$/);
});

test('recording never throws, whatever it is given', async () => {
  const { recorder } = await record();

  recorder.record(happened({ regarding: undefined as unknown as Occurrence['regarding'] }));

  expect(recorder.lost).toBe(1);
});
