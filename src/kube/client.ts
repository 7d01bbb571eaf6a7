// Requests to the API server as plain JSON. In: method, path, body. Out: the parsed answer, or an ApiError.
//
// Invariant: nothing waits for ever. A request ends by its deadline, a watch by the silence it is allowed.
// Nothing is tried twice here, but for one case that is known not to have happened (see `sendOnce`).

import type { IncomingMessage } from 'node:http';
import type { Clock } from '../lib/clock.ts';
import { parseAnswer, readBody, readLines } from './answer.ts';
import { ApiError, readApiError, unreachable } from './apiError.ts';
import { withDeadline } from './deadline.ts';
import {
  ConnectionError,
  type Credentials,
  createTransport,
  type Exchange,
  type Transport,
} from './transport.ts';

/** Query parameters; `undefined` ones are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Begins with a slash, encoded, without query. */
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  /** Of the body; `application/json` unless told. */
  readonly contentType?: string;
  /** For the whole exchange, the body of the answer included. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Called once, with the HTTP status, when the head of an answer has arrived; never when none arrives. */
  readonly onAnswer?: (status: number) => void;
}

export interface KubeStreamRequest {
  readonly path: string;
  readonly query?: Query;
  /** Until the head of the answer. */
  readonly timeoutMs?: number;
  /** How long the server may say nothing before the stream fails with `Silent`. */
  readonly maxSilentMs: number;
  readonly signal: AbortSignal;
  /** As of a `KubeRequest`. */
  readonly onAnswer?: (status: number) => void;
}

/** A connection to one API server as one user. */
export interface KubeClient {
  /** Under this name the server records which fields are ours. */
  readonly fieldManager: string;
  /**
   * Sends one request and parses the answer.
   *
   * @throws ApiError when it fails; the signal's reason when the signal is aborted
   */
  request<T = unknown>(request: KubeRequest): Promise<T>;
  /**
   * Opens an endless answer of JSON lines. Lines are read only as fast as the caller takes them.
   *
   * Ends when the server closes it in order. Half a line at the end, or a line that is not JSON, is `Garbage`.
   * @throws ApiError, also in the middle; the signal's reason when the signal is aborted
   */
  stream<T = unknown>(request: KubeStreamRequest): AsyncGenerator<T, void, void>;
  /** Closes all connections; requests under way fail. */
  close(): void;
}

export interface KubeClientOptions {
  readonly server: URL;
  /** Asked before every request; caches on its own. `forget` is called when the server did not accept them. */
  readonly credentials: { current(): Promise<Credentials>; forget(): void };
  readonly clock: Clock;
  /** See `userAgent`. */
  readonly userAgent: string;
  readonly fieldManager?: string;
}

/** The deadline of a request that names none. The API server itself gives up on a plain request after 60 s. */
export const defaultTimeoutMs = 10_000;

export const defaultFieldManager = 'replica-manager';

/** `replica-manager/<version> (<component>)`, as it appears in the audit log of the API server. */
export function userAgent(version: string, component: string): string {
  return `replica-manager/${version} (${component})`;
}

export function createKubeClient(options: KubeClientOptions): KubeClient {
  const transport = createTransport(options.server);
  return {
    fieldManager: options.fieldManager ?? defaultFieldManager,
    request: (request) => sendRequest(request, transport, options),
    stream: (request) => openStream(request, transport, options),
    close: () => transport.close(),
  };
}

/** The same client, with another deadline for requests that name none. */
export function withTimeout(client: KubeClient, timeoutMs: number): KubeClient {
  return {
    fieldManager: client.fieldManager,
    request: (request) => client.request({ timeoutMs, ...request }),
    stream: (request) => client.stream({ timeoutMs, ...request }),
    close: () => client.close(),
  };
}

async function sendRequest<T>(
  request: KubeRequest,
  transport: Transport,
  options: KubeClientOptions,
): Promise<T> {
  const timeoutMs = request.timeoutMs ?? defaultTimeoutMs;
  const late = () => timedOut(request.method, request.path, timeoutMs);
  const exchange = exchangeOf(request, 'requests', options);
  return withDeadline(
    options.clock,
    timeoutMs,
    late,
    async (signal) => {
      const response = await sendOnce(exchange, transport, options, signal);
      request.onAnswer?.(response.statusCode ?? 0);
      const body = await readBody(response, signal);
      throwUnlessOk(response, body, options);
      return parseAnswer(body) as T;
    },
    request.signal,
  );
}

async function* openStream<T>(
  request: KubeStreamRequest,
  transport: Transport,
  options: KubeClientOptions,
): AsyncGenerator<T, void, void> {
  const { clock } = options;
  const timeoutMs = request.timeoutMs ?? defaultTimeoutMs;
  const exchange = exchangeOf({ ...request, method: 'GET' }, 'watches', options);
  const late = () => timedOut('GET', request.path, timeoutMs);
  const open = (signal: AbortSignal) => sendOnce(exchange, transport, options, signal);
  const response = await withDeadline(clock, timeoutMs, late, open, request.signal);
  request.onAnswer?.(response.statusCode ?? 0);
  const onAbort = () => response.destroy();
  request.signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (!isOk(response)) {
      const read = (signal: AbortSignal) => readBody(response, signal);
      throwUnlessOk(response, await withDeadline(clock, timeoutMs, late, read, request.signal), options);
    }
    yield* readLines<T>(response, request, clock);
  } finally {
    request.signal.removeEventListener('abort', onAbort);
    response.destroy();
  }
}

/**
 * Sends an exchange; a second time when it went into an idle connection that the server had just closed.
 *
 * Only for what may happen twice without harm: reads, and server-side apply. A create or an update with a
 * precondition could have happened, and trying it again would report a conflict with ourselves.
 */
async function sendOnce(
  exchange: Exchange,
  transport: Transport,
  options: KubeClientOptions,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const credentials = await options.credentials.current();
  signal.throwIfAborted();
  try {
    return await transport.send(exchange, credentials, signal);
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    if (!(error.reused && isHarmlessTwice(exchange))) throw unreachable(error.cause);
  }
  try {
    return await transport.send(exchange, credentials, signal);
  } catch (error) {
    throw error instanceof ConnectionError ? unreachable(error.cause) : error;
  }
}

function isHarmlessTwice(exchange: Exchange): boolean {
  return exchange.method === 'GET' || exchange.headers['content-type'] === applyContentType;
}

/** JSON is YAML, and the server takes it as such. */
export const applyContentType = 'application/apply-patch+yaml';

function exchangeOf(request: KubeRequest, pool: Exchange['pool'], options: KubeClientOptions): Exchange {
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  const headers: Record<string, string> = { accept: 'application/json', 'user-agent': options.userAgent };
  if (body !== undefined) {
    headers['content-type'] = request.contentType ?? 'application/json';
    headers['content-length'] = String(Buffer.byteLength(body));
  }
  return {
    pool,
    method: request.method,
    path: request.path + encodeQuery(request.query ?? {}),
    headers,
    body,
  };
}

function encodeQuery(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  return parameters.size === 0 ? '' : `?${parameters.toString()}`;
}

function isOk(response: IncomingMessage): boolean {
  const status = response.statusCode ?? 0;
  return status >= 200 && status < 300;
}

function throwUnlessOk(response: IncomingMessage, body: string, options: KubeClientOptions): void {
  if (isOk(response)) return;
  const status = response.statusCode ?? 0;
  if (status === 401) options.credentials.forget();
  const retryAfterSeconds = Number(response.headers['retry-after'] ?? Number.NaN);
  throw readApiError(status, body, Number.isFinite(retryAfterSeconds) ? retryAfterSeconds * 1000 : undefined);
}

function timedOut(method: string, path: string, timeoutMs: number): ApiError {
  const message = `${method} ${path} was not answered within ${timeoutMs} ms`;
  return new ApiError({ status: 0, reason: 'Timeout', message });
}
