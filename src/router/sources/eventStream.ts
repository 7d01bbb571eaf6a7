// Server-sent events: lines in, events out. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html

export interface StreamEvent {
  /** `message` when the server gives none. */
  readonly type: string;
  readonly data: string;
}

/** A comment, which servers send to show that they are there. */
export type StreamItem = StreamEvent | 'heartbeat';

export async function* readEvents(lines: AsyncIterable<string>): AsyncGenerator<StreamItem> {
  let type = 'message';
  let data: string[] = [];
  for await (const line of lines) {
    if (line === '') {
      if (data.length > 0) yield { type, data: data.join('\n') };
      type = 'message';
      data = [];
    } else if (line.startsWith(':')) {
      yield 'heartbeat';
    } else {
      const colon = line.indexOf(':');
      const field = colon === -1 ? line : line.slice(0, colon);
      const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'event') type = value;
      if (field === 'data') data.push(value);
    }
  }
}
