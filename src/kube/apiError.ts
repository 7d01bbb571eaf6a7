// One error for everything that can go wrong between us and the API server, so that a caller asks one
// question (is it worth trying again, can it ever work) instead of knowing status codes and socket errors.

/** What is known about a failed request. `status` is 0 when no answer arrived. */
export interface ApiFailure {
  readonly status: number;
  readonly reason: string;
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/**
 * A request that did not succeed.
 *
 * `reason` is Kubernetes' own word (`NotFound`, `Conflict`, `AlreadyExists`, `Expired`, …) or, when no answer
 * arrived, one of ours: `Unreachable` (no connection, or it broke), `Timeout` (the deadline passed),
 * `Silent` (a watch said nothing for too long), `Garbage` (the answer is not what the API server speaks).
 */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status, or 0 when no answer arrived. A write with status 0 may or may not have happened. */
  readonly status: number;
  readonly reason: string;
  /** How long the server asked us to wait, from `Retry-After`. */
  readonly retryAfterMs: number | undefined;

  constructor(failure: ApiFailure) {
    super(failure.message, failure.cause === undefined ? undefined : { cause: failure.cause });
    this.status = failure.status;
    this.reason = failure.reason;
    this.retryAfterMs = failure.retryAfterMs;
  }

  /** The same intent may succeed later without anybody changing anything (a conflict after reading again). */
  get isRetryable(): boolean {
    if (this.isTerminal) return false;
    if (this.status === 0 || this.status >= 500) return true;
    return this.status === 401 || this.status === 408 || this.status === 429 || this.isConflict;
  }

  /** The same request can never succeed: the request itself is wrong. */
  get isTerminal(): boolean {
    return terminalStatuses.has(this.status) || (this.status === 500 && schemaComplaint.test(this.message));
  }

  get isNotFound(): boolean {
    return this.status === 404;
  }

  /** Somebody wrote the object since it was read, or a precondition did not hold. Read again and decide anew. */
  get isConflict(): boolean {
    return this.status === 409 && this.reason !== 'AlreadyExists';
  }

  get isAlreadyExists(): boolean {
    return this.status === 409 && this.reason === 'AlreadyExists';
  }

  /** The resourceVersion or continue token is older than what the server remembers: list again. */
  get isExpired(): boolean {
    return this.status === 410;
  }
}

/** Bad request, method not allowed, not acceptable, too large, media type, unprocessable. */
const terminalStatuses: ReadonlySet<number> = new Set([400, 405, 406, 413, 415, 422]);

/** A server-side apply that does not fit the schema is answered with 500, although no retry can mend it. */
const schemaComplaint = /field not declared in schema|failed to create typed patch object/;

/**
 * Reads a `Status` object. Of whatever else a server or a proxy in between has answered only the length is
 * told: it may repeat the request, with a token or a Secret in it.
 */
export function readApiError(status: number, body: string, retryAfterMs?: number): ApiError {
  const answer = readStatus(body);
  return new ApiError({
    status,
    reason: answer?.reason ?? `HTTP${status}`,
    message:
      answer?.message ??
      `the API server answered ${status} with ${body.length} characters that are not a Status`,
    retryAfterMs,
  });
}

function readStatus(body: string): { reason?: string; message?: string } | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    const texts = Object.entries(parsed).filter(([, value]) => typeof value === 'string');
    return Object.fromEntries(texts);
  } catch {
    return undefined;
  }
}

/** The failure of a connection, told so that a log line says which one. */
export function unreachable(cause: unknown): ApiError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new ApiError({
    status: 0,
    reason: 'Unreachable',
    message: `the API server cannot be reached: ${text}`,
    cause,
  });
}
