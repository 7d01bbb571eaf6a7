// What a route answers, as a value, and how it becomes an HTTP response.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: OutgoingHttpHeaders;
}

/** RFC 9457. */
export interface Problem {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  readonly detail: string;
}

export const jsonType = 'application/json; charset=utf-8';
export const problemType = 'application/problem+json; charset=utf-8';

export function jsonAnswer(value: object, status = 200): Answer {
  return { status, type: jsonType, body: `${JSON.stringify(value, null, 2)}\n` };
}

export function textAnswer(body: string): Answer {
  return { status: 200, type: 'text/plain; charset=utf-8', body: `${body}\n` };
}

const titles = {
  404: 'Not Found',
  405: 'Method Not Allowed',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
} as const;

export function problemAnswer(
  status: keyof typeof titles,
  detail: string,
  headers: OutgoingHttpHeaders = {},
): Answer {
  const problem: Problem = { type: 'about:blank', title: titles[status], status, detail };
  return { ...jsonAnswer(problem, status), type: problemType, headers };
}

/**
 * For every answer: it is true only now, it is not a page, and nothing may be loaded or framed by it. A proxy that
 * kept a health answer would hide an outage.
 */
export const commonHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
} as const;

/** To HEAD the same headers without the body. */
export function sendAnswer(answer: Answer, request: IncomingMessage, response: ServerResponse): void {
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, {
    ...commonHeaders,
    'content-type': answer.type,
    'content-length': body.length,
    ...answer.headers,
  });
  if (request.method === 'HEAD') response.end();
  else response.end(body);
}
