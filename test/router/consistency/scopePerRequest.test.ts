// The same conversation with three servers: what a client is given it gives back, and the next request has it.

import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turnOfEvents } from 'node:timers/promises';
import express from 'express';
import fastify from 'fastify';
import { afterEach, expect, test } from 'vitest';
import type { ReadMarks } from '../../../src/router/consistency/readMarks.ts';
import { currentScope, type ScopeUser } from '../../../src/router/consistency/readScope.ts';
import {
  scopePerFastifyRequest,
  scopePerRequest,
  tokenHeader,
} from '../../../src/router/consistency/scopePerRequest.ts';

/** Counts the writes of each scope into its token, with what was accepted before. */
class Counter implements ScopeUser {
  readonly #counts = new Map<ReadMarks, number>();

  acceptToken(token: string, marks: ReadMarks): void {
    this.#counts.set(marks, Number(token));
  }

  issueToken(marks: ReadMarks): string | undefined {
    const count = this.#counts.get(marks);
    return count === undefined ? undefined : `${count}`;
  }

  /** As a handler that writes once, after something else was awaited. */
  async write(): Promise<string> {
    await turnOfEvents();
    const marks = currentScope()?.marksOf(this);
    if (marks === undefined) return 'no scope';
    this.#counts.set(marks, (this.#counts.get(marks) ?? 0) + 1);
    return 'written';
  }
}

const counter = new Counter();
const cookie = 'rm-token';
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const servers = {
  'node:http': () => {
    const scoped = scopePerRequest({ cookie });
    return listen(
      createServer((request, response) => {
        scoped(request, response, () => void counter.write().then((body) => response.end(body)));
      }),
    );
  },
  Express: () => {
    const app = express();
    app.use(scopePerRequest({ cookie }));
    app.get('/', async (_, response) => {
      response.send(await counter.write());
    });
    return listen(createServer(app));
  },
  Fastify: async () => {
    const app = fastify();
    scopePerFastifyRequest(app, { cookie });
    app.get('/', () => counter.write());
    cleanups.push(() => app.close());
    return app.listen({ host: '127.0.0.1', port: 0 });
  },
};

test.each(Object.entries(servers))(
  '%s gives a token and takes it back, by header or cookie',
  async (_, start) => {
    const url = await start();
    const ask = async (headers: Record<string, string> = {}) => {
      const response = await fetch(url, { headers });
      const setCookie = response.headers.getSetCookie();
      return { body: await response.text(), token: response.headers.get(tokenHeader), setCookie };
    };
    const first = await ask();
    expect(first).toEqual({
      body: 'written',
      token: '1',
      setCookie: ['rm-token=1; Path=/; HttpOnly; SameSite=Lax; Secure'],
    });
    expect(await ask({ [tokenHeader]: '1' })).toMatchObject({ token: '2' });
    expect(await ask({ cookie: 'other=9; rm-token=5' })).toMatchObject({ token: '6' });
    expect((await ask()).token).toBe('1');
  },
);

test.each([
  ['an object', (it: ServerResponse) => it.writeHead(200, { 'Set-Cookie': 'own=1' })],
  ['an object with several', (it: ServerResponse) => it.writeHead(200, 'fine', { 'set-cookie': ['own=1'] })],
  ['a list', (it: ServerResponse) => it.writeHead(200, ['Set-Cookie', 'own=1'])],
  ['the response', (it: ServerResponse) => it.setHeader('set-cookie', 'own=1').writeHead(200, { etag: 'x' })],
  [
    'a second attempt',
    (it: ServerResponse) => {
      it.setHeader('set-cookie', 'own=1');
      expect(() => it.writeHead(1, {})).toThrow();
      it.writeHead(200);
    },
  ],
])("the application's own cookie in %s and that of the token both arrive, once", async (_, answer) => {
  const scoped = scopePerRequest({ cookie, secure: false });
  const url = await listen(
    createServer((request, response) => {
      scoped(request, response, () => {
        void counter.write().then(() => {
          answer(response);
          response.end();
        });
      });
    }),
  );
  const { headers } = await fetch(url);
  expect([headers.getSetCookie(), headers.get(tokenHeader)]).toEqual([
    ['own=1', 'rm-token=1; Path=/; HttpOnly; SameSite=Lax'],
    '1',
  ]);
});
