// How a reflector goes from one state to the next. In: what happened. Out: the next state, what the sink is told, how long to wait.
//
//   empty ──page──▶ listing ──last page──▶ watching ──410──▶ empty
//
// Invariant: nothing that can happen leads out of these three states; every failure leads to another attempt after a wait
// that grows, and the watch goes on from the last version that is known. Pure: randomness and time come in as numbers.

import { type BackoffBounds, backoffMs } from '../lib/backoff.ts';
import { ApiError } from './apiError.ts';
import type { LiveObject } from './kubeObject.ts';
import { laterResourceVersion } from './resourceVersion.ts';
import type { Page } from './verbs.ts';

/** `failures` counts in a row: until a watch has said something, or has been open for a while. */
export type ReflectorState<T> =
  | { readonly phase: 'empty'; readonly failures: number; readonly isPaged: boolean }
  | {
      readonly phase: 'listing';
      readonly failures: number;
      readonly collected: readonly T[];
      readonly continueToken: string;
    }
  | { readonly phase: 'watching'; readonly failures: number; readonly resourceVersion: string };

export type WatchFrame<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

/** `openMs` is how long the watch had been open; 0 for a list. */
export type ReflectorEvent<T> =
  | { readonly kind: 'page'; readonly page: Page<T> }
  | { readonly kind: 'frame'; readonly frame: WatchFrame<T> }
  | { readonly kind: 'closed'; readonly openMs: number }
  | {
      readonly kind: 'failed';
      readonly isExpired: boolean;
      readonly retryAfterMs: number | undefined;
      readonly openMs: number;
    };

export type SinkChange<T> =
  | { readonly kind: 'replace'; readonly objects: readonly T[]; readonly resourceVersion: string }
  | { readonly kind: 'upsert'; readonly object: T }
  | { readonly kind: 'remove'; readonly object: T };

export interface Step<T> {
  readonly state: ReflectorState<T>;
  readonly change?: SinkChange<T>;
  readonly waitMs: number;
}

export const initialState = { phase: 'empty', failures: 0, isPaged: true } as const;

/** Half a second is soon for a person. A server that comes back is noticed within ten, when a hundred of us ask it ten times a second. */
export const reflectorBackoff: BackoffBounds = { firstMs: 500, maxMs: 10_000, jitter: 0.5 };

/** A server that asks for more than this is not obeyed; it will say so again. */
const maxRetryAfterMs = 60_000;

/** A watch that was open for this long worked, whatever ended it. */
const workingWatchMs = 10_000;

/** After so many failures in a row the version itself is suspected (a restored etcd does not know it) and we list anew. */
const failuresBeforeRelist = 6;

/** @param random a number in [0, 1) */
export function stepReflector<T extends LiveObject>(
  state: ReflectorState<T>,
  event: ReflectorEvent<T>,
  random: number,
): Step<T> {
  switch (event.kind) {
    case 'page':
      return takePage(state, event.page);
    case 'frame':
      return takeFrame(state, event.frame);
    case 'closed':
      return takeClose(state, event.openMs, random);
    case 'failed':
      return takeFailure(state, event, random);
  }
}

function takePage<T>(state: ReflectorState<T>, page: Page<T>): Step<T> {
  if (state.phase === 'watching') return { state, waitMs: 0 };
  const earlier = state.phase === 'listing' ? state.collected : [];
  const collected = [...earlier, ...page.items];
  if (page.continueToken !== undefined) {
    const { failures } = state;
    return { state: { phase: 'listing', failures, collected, continueToken: page.continueToken }, waitMs: 0 };
  }
  const { resourceVersion } = page;
  return {
    state: { phase: 'watching', failures: state.failures, resourceVersion },
    change: { kind: 'replace', objects: collected, resourceVersion },
    waitMs: 0,
  };
}

function takeFrame<T extends LiveObject>(state: ReflectorState<T>, frame: WatchFrame<T>): Step<T> {
  if (state.phase !== 'watching') return { state, waitMs: 0 };
  const arrived = frame.type === 'BOOKMARK' ? frame.resourceVersion : frame.object.metadata.resourceVersion;
  const resourceVersion = laterResourceVersion(state.resourceVersion, arrived);
  const next = { phase: 'watching', failures: 0, resourceVersion } as const;
  switch (frame.type) {
    case 'BOOKMARK':
      return { state: next, waitMs: 0 };
    case 'ADDED':
    case 'MODIFIED':
      return { state: next, change: { kind: 'upsert', object: frame.object }, waitMs: 0 };
    case 'DELETED':
      return { state: next, change: { kind: 'remove', object: frame.object }, waitMs: 0 };
  }
}

/** Servers end watches in order every few minutes; one that does so at once must not be asked in a tight loop. */
function takeClose<T>(state: ReflectorState<T>, openMs: number, random: number): Step<T> {
  if (openMs >= workingWatchMs) return { state: { ...state, failures: 0 }, waitMs: 0 };
  return takeFailure(state, { isExpired: false, retryAfterMs: undefined, openMs }, random);
}

function takeFailure<T>(
  state: ReflectorState<T>,
  failure: {
    readonly isExpired: boolean;
    readonly retryAfterMs: number | undefined;
    readonly openMs: number;
  },
  random: number,
): Step<T> {
  const earlier = failure.openMs >= workingWatchMs ? 0 : state.failures;
  const failures = earlier + 1;
  const asked = Math.min(failure.retryAfterMs ?? 0, maxRetryAfterMs);
  const waitMs = Math.max(asked, backoffMs(earlier, reflectorBackoff, random));
  if (failure.isExpired) {
    // The first time this is how the protocol works; again and again it is a fault like any other.
    // A continue token that expired means that paging is slower than the server forgets.
    const isPaged = state.phase !== 'listing';
    return { state: { phase: 'empty', failures, isPaged }, waitMs: earlier === 0 ? asked : waitMs };
  }
  if (state.phase === 'watching' && failures % failuresBeforeRelist === 0) {
    return { state: { phase: 'empty', failures, isPaged: true }, waitMs };
  }
  return { state: { ...state, failures }, waitMs };
}

/**
 * Reads one line of a watch.
 *
 * @throws ApiError what the server reports in an ERROR frame, or `Garbage` for what is no frame at all
 */
export function parseFrame<T extends LiveObject>(line: unknown): WatchFrame<T> {
  const { type, object } = (line ?? {}) as { type?: unknown; object?: Partial<T> & StatusAnswer };
  if (type === 'ERROR') {
    const { code = 0, reason = 'Unknown', message = 'the watch reported an error', details } = object ?? {};
    const seconds = details?.retryAfterSeconds;
    const retryAfterMs = seconds === undefined ? undefined : seconds * 1000;
    throw new ApiError({ status: code, reason, message, retryAfterMs });
  }
  const { resourceVersion, name, uid } = object?.metadata ?? {};
  if (type === 'BOOKMARK' && typeof resourceVersion === 'string') return { type, resourceVersion };
  const isChange = type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED';
  if (
    isChange &&
    typeof resourceVersion === 'string' &&
    typeof name === 'string' &&
    typeof uid === 'string'
  ) {
    return { type, object: object as T };
  }
  // Its text is not told: it may be of a Secret.
  const characters = JSON.stringify(line)?.length ?? 0;
  throw new ApiError({
    status: 0,
    reason: 'Garbage',
    message: `the watch sent ${characters} characters of JSON that are no event`,
  });
}

interface StatusAnswer {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: { readonly retryAfterSeconds?: number };
}
