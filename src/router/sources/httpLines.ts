// One GET whose answer never ends, as lines. For streams of a service and watches of an API server.
//
// Invariant: a server that says nothing for `maxSilentMs`, also before its first byte, ends the stream with an error, and so does
// everything else that may happen to a connection. Nothing here keeps the process alive.

import * as http from 'node:http';
import * as https from 'node:https';

export interface LinesRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Certificate authorities (PEM) in place of Node's own. */
  readonly ca?: string | undefined;
  /** The server says something at least this often. */
  readonly maxSilentMs: number;
}

/** The server answered, but not with what was asked for. */
export class UnexpectedStatus extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(`the server answered ${status}${text === '' ? '' : `: ${text}`}`);
    this.status = status;
  }
}

/** As long as the longest document there can be, escaped and with what is around it. */
const maxLength = 4 * 1024 * 1024;

/** Enough of an error's text to recognise it in a log line. */
const maxErrorLength = 200;

/** Yields lines without their ends, empty ones too. @throws UnexpectedStatus, or what the connection throws */
export async function* httpLines(request: LinesRequest, signal: AbortSignal): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of httpChunks(request, signal)) {
    rest += chunk;
    if (rest.length > maxLength) throw new Error(`a line is longer than ${maxLength} characters`);
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line;
  }
  // A last line without an end is a piece of something, for the connection is gone.
}

/** The whole answer. @throws UnexpectedStatus, or what the connection throws */
export async function httpText(request: LinesRequest, signal: AbortSignal): Promise<string> {
  let text = '';
  for await (const chunk of httpChunks(request, signal)) {
    text += chunk;
    if (text.length > maxLength) throw new Error(`the answer is longer than ${maxLength} characters`);
  }
  return text;
}

async function* httpChunks(request: LinesRequest, signal: AbortSignal): AsyncGenerator<string> {
  const response = await open(request, signal);
  try {
    response.setEncoding('utf8');
    if (response.statusCode !== 200) {
      throw new UnexpectedStatus(response.statusCode ?? 0, await readStart(response));
    }
    for await (const chunk of response) yield String(chunk);
  } finally {
    response.destroy();
  }
}

function open({ url, headers, ca, maxSilentMs }: LinesRequest, signal: AbortSignal) {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  const request = (url.protocol === 'https:' ? https : http).request(url, {
    headers,
    signal,
    // A connection of its own: whoever shares it would wait for an answer that never ends.
    agent: false,
    timeout: maxSilentMs,
    ...(ca === undefined ? {} : { ca }),
  });
  request.once('socket', (socket) => socket.unref());
  request.once('timeout', () => request.destroy(new Error(`the server said nothing for ${maxSilentMs} ms`)));
  request.once('response', resolve);
  // Stays for the life of the request: an error after the response must find a listener too.
  request.on('error', reject);
  request.end();
  return promise;
}

async function readStart(response: http.IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > maxErrorLength) break;
  }
  return text.slice(0, maxErrorLength).trim();
}
