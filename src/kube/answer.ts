// What comes back from the API server, read to its end or line by line, never faster than somebody takes it.

import type { IncomingMessage } from 'node:http';
import type { Clock } from '../lib/clock.ts';
import { ApiError, unreachable } from './apiError.ts';
import { withDeadline } from './deadline.ts';
import { LineSplitter } from './lines.ts';

/** A page of 500 objects with a few kB each stays far below; more is not an answer that we asked for. */
const maxAnswerBytes = 64 * 1024 * 1024;

/** The whole body as text. Aborting the signal destroys the connection and throws its reason. */
export async function readBody(response: IncomingMessage, signal: AbortSignal): Promise<string> {
  const onAbort = () => response.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxAnswerBytes) throw new RangeError(`the answer is longer than ${maxAnswerBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  } catch (error) {
    throw signal.aborted ? signal.reason : unreachable(error);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * The body as JSON lines, read only as fast as they are taken.
 *
 * @throws ApiError `Silent`, `Garbage` (also for half a line at the end) or `Unreachable`; the signal's reason
 */
export async function* readLines<T>(
  response: IncomingMessage,
  request: { readonly path: string; readonly maxSilentMs: number; readonly signal: AbortSignal },
  clock: Clock,
): AsyncGenerator<T, void, void> {
  const splitter = new LineSplitter();
  const chunks: AsyncIterator<Buffer> = response[Symbol.asyncIterator]();
  const silent = () => silence(request.path, request.maxSilentMs);
  for (;;) {
    // The clock of silence runs only while we wait for the server, not while the caller works.
    const next = await withDeadline(
      clock,
      request.maxSilentMs,
      silent,
      (signal) => nextChunk(chunks, response, signal),
      request.signal,
    );
    if (next.done === true) break;
    for (const line of splitter.push(next.value)) yield parseAnswer(line) as T;
  }
  if (splitter.rest !== '') throw garbage(splitter.rest.length);
}

async function nextChunk(
  chunks: AsyncIterator<Buffer>,
  response: IncomingMessage,
  signal: AbortSignal,
): Promise<IteratorResult<Buffer>> {
  const onAbort = () => response.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await chunks.next();
  } catch (error) {
    throw signal.aborted ? signal.reason : unreachable(error);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** @throws ApiError `Garbage` for what is not JSON. An empty body is undefined. */
export function parseAnswer(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch (error) {
    const position = / at position ([0-9]+)/.exec(error instanceof Error ? error.message : '')?.[1];
    throw garbage(text.length, position);
  }
}

/** Quotes nothing and has no cause: the text may be a list of Secrets that was cut off, and the parser quotes it. */
function garbage(characters: number, position?: string): ApiError {
  const where = position === undefined ? '' : `, from position ${position} on`;
  const message = `the API server sent ${characters} characters that are not JSON${where}`;
  return new ApiError({ status: 0, reason: 'Garbage', message });
}

function silence(path: string, maxSilentMs: number): ApiError {
  const message = `the watch of ${path} said nothing for ${maxSilentMs} ms`;
  return new ApiError({ status: 0, reason: 'Silent', message });
}
