// A scope for each request of a web server, with the token of the client in and a new one out.
//
// Invariant: the token that goes out is made when the head of the response is written, so it covers what the request has written and
// read until then.

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { currentScope, type ReadScope, runInScope } from './readScope.ts';

export const tokenHeader = 'x-replica-manager-token';

export interface RequestScopeOptions {
  /** Name of a cookie that carries the token as well, for clients that send back cookies and no headers. Default: none */
  readonly cookie?: string | undefined;
  /** Whether clients send the cookie over HTTPS only. Default: true */
  readonly secure?: boolean | undefined;
}

/** For `node:http` and Express: `app.use(scopePerRequest())`, before whatever reads and writes. */
export function scopePerRequest(
  options: RequestScopeOptions = {},
): (request: IncomingMessage, response: ServerResponse, next: () => void) => void {
  return (request, response, next) => {
    runInScope({ token: tokenOf(request.headers, options) }, () => {
      const scope = currentScope();
      const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
      response.writeHead = (...args: unknown[]) => {
        let merged = args;
        for (const [name, value] of response.headersSent ? [] : headersOf(scope, options)) {
          if (name === tokenHeader) response.setHeader(name, value);
          else merged = withCookie(response, merged, value);
        }
        return writeHead(...merged);
      };
      next();
    });
  };
}

/**
 * Arguments of `writeHead` with the cookie beside those of the application. Headers that are given there replace those of the
 * response, so it goes to where the others are. A `writeHead` that failed may have left it on the response.
 */
function withCookie(response: ServerResponse, args: unknown[], cookie: string): unknown[] {
  const headers = args.at(-1);
  const isCookie = (name: unknown) => String(name).toLowerCase() === 'set-cookie';
  if (Array.isArray(headers) && headers.some((name, index) => index % 2 === 0 && isCookie(name))) {
    return [...args.slice(0, -1), [...headers, 'set-cookie', cookie]];
  }
  if (typeof headers === 'object' && headers !== null && !Array.isArray(headers)) {
    const given = Object.entries(headers).find(([name]) => isCookie(name));
    if (given !== undefined) {
      const [name, value] = given;
      return [...args.slice(0, -1), { ...headers, [name]: [value, cookie].flat() }];
    }
  }
  if (![response.getHeader('set-cookie')].flat().includes(cookie))
    response.appendHeader('set-cookie', cookie);
  return args;
}

/** What is used of a Fastify instance, so that nothing has to be installed for its types. */
export interface FastifyHooks {
  addHook(
    name: 'onRequest',
    hook: (request: { headers: IncomingHttpHeaders }, reply: unknown, done: () => void) => void,
  ): unknown;
  addHook(
    name: 'onSend',
    hook: (
      request: unknown,
      reply: { header(name: string, value: string): unknown },
      payload: unknown,
      done: () => void,
    ) => void,
  ): unknown;
}

/** For Fastify: `scopePerFastifyRequest(app)`, before other hooks that read and write. */
export function scopePerFastifyRequest(app: FastifyHooks, options: RequestScopeOptions = {}): void {
  app.addHook('onRequest', (request, _reply, done) => {
    runInScope({ token: tokenOf(request.headers, options) }, done);
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    for (const [name, value] of headersOf(currentScope(), options)) reply.header(name, value);
    done();
  });
}

/** Undefined when the client has sent none. */
function tokenOf(headers: IncomingHttpHeaders, { cookie }: RequestScopeOptions): string | undefined {
  const sent = headers[tokenHeader];
  const fromHeader = Array.isArray(sent) ? sent.join(',') : sent;
  if (fromHeader !== undefined || cookie === undefined) return fromHeader;
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${cookie}=`))?.slice(cookie.length + 1);
}

function headersOf(
  scope: ReadScope | undefined,
  { cookie, secure = true }: RequestScopeOptions,
): readonly (readonly [name: string, value: string])[] {
  const token = scope?.token();
  if (token === undefined) return [];
  if (cookie === undefined) return [[tokenHeader, token]];
  return [
    [tokenHeader, token],
    ['set-cookie', `${cookie}=${token}; Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`],
  ];
}
