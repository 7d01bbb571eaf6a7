// Splits a stream of bytes into lines, without ever holding more than one line too many.

/** A line longer than this is not an object: etcd refuses objects beyond 1.5 MB, JSON at most doubles that. */
const maxLineBytes = 8 * 1024 * 1024;

/**
 * Takes chunks as they arrive and gives back the lines that are complete by then.
 *
 * `rest` is what has no line end yet: half a line when the stream ends there.
 */
export class LineSplitter {
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** @throws RangeError when a line grows beyond 8 MiB */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, from)) {
      this.#keep(chunk.subarray(from, end));
      lines.push(this.#take());
      from = end + 1;
    }
    this.#keep(chunk.subarray(from));
    return lines.filter((line) => line.trim() !== '');
  }

  get rest(): string {
    return Buffer.concat(this.#pieces).toString('utf8');
  }

  #keep(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > maxLineBytes)
      throw new RangeError(`a line of the stream is longer than ${maxLineBytes} bytes`);
    if (piece.length > 0) this.#pieces.push(piece);
  }

  #take(): string {
    const line = this.rest;
    this.#pieces = [];
    this.#bytes = 0;
    return line;
  }
}

const newline = 0x0a;
