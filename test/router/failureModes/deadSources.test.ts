// Three real sources of one topology, each of which dies and comes back: a file, a watch of the API server, the stream of a service.

import { afterEach, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { silentLog } from '../../../src/lib/log.ts';
import { kubernetesSource } from '../../../src/router/kubernetes/kubernetesSource.ts';
import { CombinedSource } from '../../../src/router/sources/combinedSource.ts';
import { fileSource } from '../../../src/router/sources/fileSource.ts';
import { httpSource } from '../../../src/router/sources/httpSource.ts';
import { EndpointsApiServer } from '../../fixtures/endpointsApiServer.ts';
import { endpointsDocument } from '../../fixtures/endpointsDocument.ts';
import { EndpointsStream } from '../../fixtures/endpointsStream.ts';
import { FrozenProxy } from '../../fixtures/frozenProxy.ts';
import { MountedFolder } from '../../fixtures/mountedFolder.ts';
import { until } from '../../fixtures/temporaryPostgres.ts';

const credentials = { username: 'app', password: 'hidden', database: 'shop' };
const generation = (number: number) => JSON.stringify(endpointsDocument({ generation: number }));

/** Waits of a second take a fiftieth of one. */
const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) };

/** Nobody sends a heartbeat here, so that they also begin anew as often while all is well. */
const maxSilentMs = 1_000;

const cleaning: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleaning.splice(0).toReversed()) await clean();
});

async function behindProxy(port: number): Promise<FrozenProxy> {
  const proxy = await FrozenProxy.start(port);
  cleaning.push(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

async function start() {
  const [api, stream] = [await EndpointsApiServer.start(), await EndpointsStream.start()];
  const [mount, account] = [new MountedFolder(), new MountedFolder({ token: 'a token', namespace: 'shop' })];
  cleaning.push(
    () => api[Symbol.asyncDispose](),
    () => stream[Symbol.asyncDispose](),
    () => mount[Symbol.dispose](),
    () => account[Symbol.dispose](),
  );
  const toApi = await behindProxy(Number(new URL(api.server.url).port));
  const toStream = await behindProxy(Number(stream.url.port));
  const combined = new CombinedSource(
    [
      kubernetesSource({
        name: 'orders',
        apiServer: new URL(`http://127.0.0.1:${toApi.port}`),
        serviceAccountDir: account.path,
        credentials,
        maxSilentMs,
      }),
      httpSource({
        url: new URL(`http://127.0.0.1:${toStream.port}/endpoints/stream`),
        credentials,
        maxSilentMs,
      }),
      fileSource({ path: `${mount.path}/endpoints.json`, credentials }),
    ],
    silentLog,
  );
  const stop = new AbortController();
  const followed: number[] = [];
  const ended = combined.follow(({ document }) => followed.push(document.generation), clock, stop.signal);
  cleaning.push(async () => {
    stop.abort();
    await ended;
  });
  const toMount = (number: number) => mount.write({ 'endpoints.json': generation(number) });
  return { api, stream, mount, toMount, toApi, toStream, combined, followed };
}

test('each source may die, by a reset or in silence, while the others are followed, and is heard again when it comes back', async () => {
  const it = await start();
  const isFollowed = (number: number) =>
    until(
      `generation ${number} is followed`,
      () => it.combined.topology?.document.generation === number,
      10_000,
    );
  it.api.publish(generation(1));
  it.stream.publish(generation(1));
  it.toMount(1);
  await isFollowed(1);

  it.toStream.keepResetting();
  it.api.publish(generation(2));
  await isFollowed(2);
  it.toApi.keepResetting();
  it.toMount(3);
  await isFollowed(3);
  it.mount.write({});
  it.toStream.stopResetting();
  it.stream.publish(generation(4));
  await isFollowed(4);
  it.toStream.freeze();
  it.toApi.stopResetting();
  it.api.publish(generation(5));
  await isFollowed(5);
  it.toApi.freeze();
  await until('each says what is wrong', () =>
    it.combined.statuses(clock.now()).every(({ problems }) => problems.length > 0),
  );
  it.toStream.thaw();
  it.stream.publish(generation(6));
  await isFollowed(6);

  expect(it.followed).toEqual([1, 2, 3, 4, 5, 6]);
});
