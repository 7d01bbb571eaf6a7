import type { ReplicaManagerStatus } from 'replica-manager';

/** What happened since the start, and since the last line. */
export class Counts {
  #total = new Tally();
  #second = new Tally();
  #lastWriteAt: number | undefined;
  #lastError: string | null = null;

  async write(job: () => Promise<void>): Promise<void> {
    try {
      await job();
      this.#acknowledged();
    } catch (error) {
      this.#failed('writesFailed', error);
    }
  }

  /** `job` resolves with the name of the server that answered. */
  async read(job: () => Promise<string>): Promise<void> {
    try {
      const server = await job();
      for (const tally of [this.#total, this.#second]) tally.reads[server] = (tally.reads[server] ?? 0) + 1;
    } catch (error) {
      this.#failed('readsFailed', error);
    }
  }

  /** The last second for the log, with where the library sends statements now. */
  takeLine(status: ReplicaManagerStatus): object {
    const { writes, writesFailed, reads, readsFailed, longestGapMs } = this.#second;
    const error = writesFailed + readsFailed > 0 ? { error: this.#lastError } : {};
    this.#second = new Tally();
    return {
      writes,
      failed: writesFailed,
      gapMs: Math.round(longestGapMs),
      reads: sorted(reads),
      readsFailed,
      primary: status.primary?.name ?? 'none',
      replicas: status.replicas.filter(({ verdict }) => verdict.kind === 'serving').length,
      epoch: status.epoch,
      ...error,
    };
  }

  sums(): object {
    const { reads, longestGapMs, ...rest } = this.#total;
    return {
      ...rest,
      reads: sorted(reads),
      longestGapMs: Math.round(longestGapMs),
      lastError: this.#lastError,
    };
  }

  /** The gap is what a customer notices: the time between two writes that were acknowledged. */
  #acknowledged(): void {
    const now = performance.now();
    const gapMs = this.#lastWriteAt === undefined ? 0 : now - this.#lastWriteAt;
    this.#lastWriteAt = now;
    for (const tally of [this.#total, this.#second]) {
      tally.writes += 1;
      tally.longestGapMs = Math.max(tally.longestGapMs, gapMs);
    }
  }

  #failed(kind: 'writesFailed' | 'readsFailed', error: unknown): void {
    for (const tally of [this.#total, this.#second]) tally[kind] += 1;
    this.#lastError = error instanceof Error ? error.message : String(error);
  }
}

class Tally {
  writes = 0;
  writesFailed = 0;
  /** By name of the server that answered. */
  reads: Record<string, number> = {};
  readsFailed = 0;
  longestGapMs = 0;
}

const sorted = (reads: Record<string, number>): object =>
  Object.fromEntries(Object.entries(reads).sort(([a], [b]) => a.localeCompare(b)));
