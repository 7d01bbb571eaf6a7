// The other end of a connection, without a server: every statement is answered at once with the same row. With it the driver does all
// its work and the machine none of it, so that what a pool adds can be told from what the processor was doing meanwhile.

import { Duplex } from 'node:stream';

const sync = Buffer.from([0x53, 0, 0, 0, 4]);
const terminate = 0x58;
const integer = 23;
const text = 25;

export class AnsweringStream extends Duplex {
  #isStarted = false;

  connect(): this {
    setImmediate(() => this.emit('connect'));
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#take(chunk);
    done();
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: () => void): void {
    for (const { chunk } of chunks) this.#take(chunk);
    done();
  }

  #take(chunk: Buffer): void {
    if (!this.#isStarted) {
      this.#isStarted = true;
      setImmediate(() => this.push(Buffer.concat([authenticationOk, readyForQuery])));
    } else if (chunk.subarray(-sync.length).equals(sync)) setImmediate(() => this.push(answer));
    else if (chunk[0] === terminate) this.push(null);
  }
}

const authenticationOk = message('R', int32(0));
const readyForQuery = message('Z', Buffer.from('I'));
const answer = Buffer.concat([
  message('1'),
  message('2'),
  message('T', int16(3), column('id', integer), column('name', text), column('price', integer)),
  message('D', int16(3), value('17'), value('item 17'), value('170')),
  message('C', Buffer.from('SELECT 1\0')),
  readyForQuery,
]);

function message(code: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(code), int32(body.length + 4), body]);
}

/** A name, then table, place in it, type, size, modifier and format. */
function column(name: string, type: number): Buffer {
  return Buffer.concat([
    Buffer.from(`${name}\0`),
    int32(0),
    int16(0),
    int32(type),
    int16(-1),
    int32(-1),
    int16(0),
  ]);
}

function value(content: string): Buffer {
  return Buffer.concat([int32(content.length), Buffer.from(content)]);
}

function int16(number: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(number);
  return buffer;
}

function int32(number: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(number);
  return buffer;
}
