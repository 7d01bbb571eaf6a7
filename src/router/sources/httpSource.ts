// The endpoints document from the stream of a Replica Manager service, `GET /endpoints/stream`: server-sent events `endpoints` with
// the document as data, the newest one first, and a comment every 5 s.

import { systemRandom } from '../../lib/clock.ts';
import { type Log, silentLog } from '../../lib/log.ts';
import { type CredentialsOptions, credentialsFrom } from './credentialsDirectory.ts';
import { readEvents } from './eventStream.ts';
import { FollowedDocument, type Told } from './followedDocument.ts';
import { httpLines } from './httpLines.ts';
import type { TopologySource } from './topologySource.ts';

export interface HttpSourceOptions extends CredentialsOptions {
  /** `http://host:4000/endpoints/stream` */
  readonly url: string | URL;
  /** Sent along, for a proxy that wants to know who asks. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Certificate authorities (PEM) of an `https` service, in place of Node's own. */
  readonly serviceCa?: string | undefined;
  readonly log?: Log | undefined;
  /** A number in [0, 1). */
  readonly random?: (() => number) | undefined;
  /** Default: 15 s, three heartbeats */
  readonly maxSilentMs?: number | undefined;
}

export function httpSource(options: HttpSourceOptions): TopologySource {
  const { log = silentLog, random = systemRandom, maxSilentMs = 15_000 } = options;
  const url = new URL(options.url);
  return new FollowedDocument({
    origin: withoutSecrets(url),
    credentials: credentialsFrom(options, log),
    log,
    random,
    connect: (_clock, signal) => follow(url, options, maxSilentMs, signal),
  });
}

async function* follow(
  url: URL,
  options: HttpSourceOptions,
  maxSilentMs: number,
  signal: AbortSignal,
): AsyncGenerator<Told> {
  const headers = { ...options.headers, accept: 'text/event-stream', 'cache-control': 'no-cache' };
  const lines = httpLines({ url, headers, ca: options.serviceCa, maxSilentMs }, signal);
  let isDocumentTold = false;
  for await (const item of readEvents(lines)) {
    if (item === 'heartbeat') {
      // Until this connection has brought the document, it says nothing about the one that is known.
      if (isDocumentTold) yield { kind: 'unchanged' };
    } else if (item.type === 'endpoints') {
      isDocumentTold = true;
      yield { kind: 'document', text: item.data };
    }
  }
}

function withoutSecrets(url: URL): string {
  return `${url.origin}${url.pathname}`;
}
