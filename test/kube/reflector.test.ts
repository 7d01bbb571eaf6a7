import { afterEach, expect, test } from 'vitest';
import type { LiveObject } from '../../src/kube/kubeObject.ts';
import { Reflector, type ReflectorOptions } from '../../src/kube/reflector.ts';
import { type Resource, resources } from '../../src/kube/resources.ts';
import { Store } from '../../src/kube/store.ts';
import { ManualClock } from '../fixtures/manualClock.ts';
import {
  type Answer,
  brokenWatch,
  endedWatch,
  failure,
  frame,
  openWatch,
  page,
  reset,
  ScriptedApiServer,
  silence,
} from '../fixtures/scriptedApiServer.ts';
import { clientOf, pod, type RecordedLine, recordingLog, until } from './kubeFixtures.ts';

const pods: Resource = resources.Pod as Resource;
const bookmark = (resourceVersion: string) =>
  frame('BOOKMARK', { kind: 'Pod', metadata: { resourceVersion } });

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

/** A reflector that runs against a scripted server, without jitter, in a time that the test moves. */
async function reflect(options: Partial<ReflectorOptions<LiveObject>> = {}) {
  const api = await ScriptedApiServer.start();
  const clock = new ManualClock();
  const log = recordingLog();
  const client = clientOf(api.url, { clock });
  const store = new Store<LiveObject>({ log });
  const told: string[] = [];
  store.onChange(({ kind, object }) =>
    told.push(`${kind} ${object.metadata.name}@${object.metadata.resourceVersion}`),
  );
  const reflector = new Reflector(
    { client, clock, random: () => 0, log },
    { resource: pods, ...options },
    store,
  );
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  const end = async () => {
    stop.abort(new Error('test has ended'));
    await running;
    client.close();
    await api.close();
  };
  endings.push(end);
  const knows = (...names: string[]) =>
    until(
      () =>
        JSON.stringify(
          store
            .list()
            .map(({ metadata }) => metadata.name)
            .sort(),
        ) === JSON.stringify(names),
    );
  return { api, clock, log, store, told, reflector, knows, end };
}

test('everything is listed in pages, told, and then watched from the version of the list', async () => {
  const { api, told, reflector } = await reflect({
    labelSelector: 'app=x',
    fieldSelector: 'spec.nodeName=n',
  });
  api.answer('list', page('10', [pod('a', 1)], 'more'), page('10', [pod('b', 2)]));
  api.answer('watch', openWatch(frame('ADDED', pod('c', 11))));

  await reflector.synced;
  expect(told).toEqual(['added a@1', 'added b@2']);
  await until(() => told.length === 3);

  const selectors = { labelSelector: 'app=x', fieldSelector: 'spec.nodeName=n' };
  expect(api.requests.map(({ path, query }) => ({ path, query }))).toEqual([
    { path: '/api/v1/pods', query: { ...selectors, limit: '500' } },
    { path: '/api/v1/pods', query: { ...selectors, limit: '500', continue: 'more' } },
    {
      path: '/api/v1/pods',
      query: {
        ...selectors,
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion: '10',
        timeoutSeconds: '300',
      },
    },
  ]);
  expect(reflector.health).toEqual([{ namespace: undefined, phase: 'watching', failures: 0 }]);
});

test('a watch that ends in order is followed by one from the last bookmark', async () => {
  const { api, clock } = await reflect();
  api.answer('list', page('10', []));
  api.answer('watch', (response) => {
    response.write(frame('ADDED', pod('a', 11)) + bookmark('25'));
    void clock.slept(100_000).then(() => {
      clock.advance(60_000);
      response.end();
    });
  });

  const again = await api.request(2, { kind: 'watch' });

  expect(again.query['resourceVersion']).toBe('25');
});

/** A store that has seen a, b and a watch, which then meets `trouble`. */
async function inTrouble(trouble: Answer) {
  const running = await reflect();
  running.api.answer('list', page('10', [pod('a', 1), pod('b', 2)]));
  running.api.answer('watch', trouble);
  await running.reflector.synced;
  return running;
}

test.each<[string, Answer]>([
  ['is refused with 410', failure(410, 'Expired')],
  ['reports 410', openWatch(frame('ERROR', { kind: 'Status', code: 410, reason: 'Expired' }))],
])('a watch that %s is followed by a list, and what has gone meanwhile is told', async (_name, trouble) => {
  const { api, told, knows } = await inTrouble(trouble);
  api.answer('list', page('50', [pod('b', 40), pod('c', 41)]));
  api.answer('watch', openWatch(frame('ADDED', pod('d', 51))));

  await knows('b', 'c', 'd');

  expect(told).toEqual(['added a@1', 'added b@2', 'deleted a@1', 'updated b@40', 'added c@41', 'added d@51']);
  expect(api.requests.at(-1)?.query['resourceVersion']).toBe('50');
});

const moved = frame('MODIFIED', pod('a', 11));
test.each<[string, Answer, string]>([
  ['is refused with 500', failure(500, 'InternalError'), '10'],
  ['is refused with 403', failure(403, 'Forbidden'), '10'],
  ['is refused with 429', failure(429, 'TooManyRequests'), '10'],
  ['reports 500', openWatch(moved, frame('ERROR', { kind: 'Status', code: 500 })), '11'],
  ['breaks before its answer', reset, '10'],
  ['breaks in the middle', brokenWatch(moved), '11'],
  ['sends garbage', openWatch(moved, 'nonsense\n'), '11'],
  ['sends something that is no event', openWatch(moved, '{"type":"ADDED"}\n'), '11'],
  ['ends in the middle of a line', endedWatch(moved, '{"type":"ADD'), '11'],
  ['ends as soon as it has begun', endedWatch(moved), '11'],
])('a watch that %s goes on after half a second where it was', async (_name, trouble, resourceVersion) => {
  const { api, clock, told, knows } = await inTrouble(trouble);
  api.answer('watch', openWatch(frame('ADDED', pod('c', 60))));

  await clock.pass(500);
  await knows('a', 'b', 'c');

  const lists = api.requests.filter(({ query }) => query['watch'] === undefined);
  expect(lists.length).toBe(1);
  expect(api.requests.at(-1)?.query['resourceVersion']).toBe(resourceVersion);
  expect(told.at(-1)).toBe('added c@60');
});

test('a watch that says nothing for longer than bookmarks take is opened anew', async () => {
  const { api, clock } = await inTrouble(openWatch());

  await clock.pass(100_000);
  await clock.pass(500);

  expect((await api.request(2, { kind: 'watch' })).query['resourceVersion']).toBe('10');
});

test('a watch that is never answered is given up after its deadline', async () => {
  const { api, clock } = await inTrouble(silence);

  await api.request(1, { kind: 'watch' });
  await clock.pass(10_000);
  await clock.pass(500);

  await api.request(2, { kind: 'watch' });
});

test('the wait that the server asks for is kept', async () => {
  const { api, clock } = await inTrouble(failure(429, 'TooManyRequests', 'later', { 'retry-after': '9' }));

  await clock.pass(9_000);

  await api.request(2, { kind: 'watch' });
});

test.each<[string, Answer]>([
  ['500', failure(500, 'InternalError')],
  ['403, as before its Role exists', failure(403, 'Forbidden')],
  ['404, as before its definition exists', failure(404, 'NotFound')],
  ['410', failure(410, 'Expired')],
  ['a broken connection', reset],
  ['a list without version', (response) => void response.end('{"items":[]}')],
])('a first list that meets %s is tried until it works', async (_name, trouble) => {
  const { api, clock, reflector, store } = await reflect();
  api.answer('list', trouble, trouble, page('10', [pod('a', 1)]));

  // The first 410 is no fault and costs no wait.
  if (!_name.startsWith('410')) await clock.pass(500);
  await clock.pass(1_000);
  await reflector.synced;

  expect(store.size).toBe(1);
});

test('pages that expire before the last one are followed by a list without pages', async () => {
  const { api, reflector, store } = await reflect();
  api.answer('list', page('10', [pod('a', 1)], 'old'), failure(410, 'Expired'), page('20', [pod('b', 15)]));

  await reflector.synced;

  expect(api.requests[2]?.query).toEqual({ limit: '0' });
  expect(store.list().map(({ metadata }) => metadata.name)).toEqual(['b']);
});

test('events that come twice or out of order change nothing, and the version does not go back', async () => {
  const { api, clock, told } = await inTrouble(
    brokenWatch(
      frame('MODIFIED', pod('a', 20)),
      frame('MODIFIED', pod('a', 20)),
      frame('MODIFIED', pod('a', 15)),
      frame('ADDED', pod('b', 2)),
    ),
  );

  await clock.pass(500);
  const again = await api.request(2, { kind: 'watch' });

  expect(told).toEqual(['added a@1', 'added b@2', 'updated a@20']);
  expect(again.query['resourceVersion']).toBe('20');
});

test('an object that was replaced under its name while nobody looked is told as deleted and added', async () => {
  const { api, told } = await inTrouble(failure(410, 'Expired'));
  api.answer('list', page('50', [pod('a', 45, { uid: 'another' }), pod('b', 2)]));

  await until(() => told.length === 4);

  expect(told.slice(2)).toEqual(['deleted a@1', 'added a@45']);
});

test('a listener that throws ends nothing', async () => {
  const { api, store, log, knows } = await reflect();
  store.onChange(() => {
    throw new Error('broken listener');
  });
  api.answer('list', page('10', [pod('a', 1)]));
  api.answer('watch', openWatch(frame('ADDED', pod('b', 11)), frame('ADDED', pod('c', 12))));

  await knows('a', 'b', 'c');

  expect(log.lines.length).toBe(3);
});

test('several namespaces are watched each on their own, and synced when all are', async () => {
  const { api, reflector, store } = await reflect({ namespaces: ['shop', 'bank', 'shop'] });
  let isSynced = false;
  void reflector.synced.then(() => {
    isSynced = true;
  });

  await api.request(1, { path: '/api/v1/namespaces/shop/pods' });
  await api.request(1, { path: '/api/v1/namespaces/bank/pods' });
  api.answer('list', page('10', [pod('a', 1)]));
  await until(() => store.size === 1);
  expect(isSynced).toBe(false);
  api.answer('list', page('10', [pod('b', 2, { namespace: 'bank' })]));
  await reflector.synced;

  // The empty list of one namespace has not emptied the other.
  expect(store.size).toBe(2);
  expect(api.requests.filter(({ query }) => query['watch'] === undefined).length).toBe(2);
});

test('the signal ends it wherever it is, and whoever waits for the first list is told', async () => {
  const { api, reflector, end } = await reflect();
  await api.request(1, { kind: 'list' });

  const synced = expect(reflector.synced).rejects.toThrow('test has ended');
  await end();

  await synced;
});

test('the signal ends a wait between two attempts', async () => {
  const { api, clock, end } = await reflect();
  api.answer('list', failure(500, 'InternalError'));
  await clock.slept(500);

  await end();

  expect(clock.sleeps).toEqual([]);
});

test('many changes at once all arrive, while others get their turn in between', async () => {
  const { api, clock, store } = await reflect();
  const frames = Array.from({ length: 1_000 }, (_, i) => frame('ADDED', pod(`p${i}`, 11 + i)));
  api.answer('list', page('10', []));
  api.answer('watch', openWatch(...frames));

  for (let turn = 0; turn < 5; turn += 1) await clock.pass(0);

  await until(() => store.size === 1_000);
});

function firstError([line]: readonly RecordedLine[]): Error {
  const { err } = (line?.facts ?? {}) as { err?: Error };
  if (err === undefined) throw new Error('no error was logged');
  return err;
}

const secret = (data: string, resourceVersion: string) => ({
  metadata: { name: 'orders-app', uid: 'u', resourceVersion },
  data: { password: data },
});
const list = JSON.stringify({ kind: 'SecretList', metadata: {}, items: [secret('aHVudGVyMg', '1')] });
test.each<[string, string]>([
  ['is cut off inside the data', `{"items":[{"data":{"password":"aHVudGVyMg`],
  ['holds what is not JSON', `{"items":[{"data":{"password":aHVudGVyMg}}]}`],
  ['is followed by something else', `${list} aHVudGVyMg`],
])('nothing of a list of Secrets that %s reaches the error or the log', async (_name, text) => {
  const { api, log } = await reflect();
  api.answer('list', endedWatch(text));
  await until(() => log.lines.length > 0);

  const err = firstError(log.lines);
  expect(err).toMatchObject({
    reason: 'Garbage',
    message: expect.stringContaining(`${text.length} characters`),
  });
  expect(err.cause).toBeUndefined();
  expect(`${err.stack} ${JSON.stringify(log.lines)}`).not.toMatch(/aHV|uZXI|Mg/);
});

test.each([
  ['no JSON', '{"type":"ADDED","object":{"data":{"password":aHVudGVyMg}}}\n'],
  ['no event', frame('ADDED', { data: { password: 'aHVudGVyMg' } })],
])('nothing of a watched Secret that is %s reaches the log', async (_name, text) => {
  const { log } = await inTrouble(openWatch(text));
  await until(() => log.lines.length > 0);

  const err = firstError(log.lines);
  expect(err).toMatchObject({ reason: 'Garbage' });
  expect(err.cause).toBeUndefined();
  expect(`${err.stack} ${JSON.stringify(log.lines)}`).not.toMatch(/aHV|uZXI|Mg/);
});
