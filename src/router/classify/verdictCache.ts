// Verdicts by text. A hit moves nothing: reordering costs more than reading a short statement again.
//
// Two generations: what is asked for again while the older one is still there moves to the younger one, the
// rest is dropped with it. So at most two generations are kept, each bounded in entries and in characters.

import type { Verdict } from './verdict.ts';

/** Applications have some thousand distinct statements; those that write values into the text have no end. */
const maxEntries = 5_000;
/** With the verdicts some 10 MB per generation at most, should every text be long and hold non-Latin letters. */
const maxCharacters = 4_000_000;
/** Longer texts are rarely sent twice, and reading one takes less than its round trip. */
const maxCachedLength = 16_384;

export class VerdictCache {
  #young = new Map<string, Verdict>();
  #old = new Map<string, Verdict>();
  #characters = 0;

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(text: string): Verdict | undefined {
    const young = this.#young.get(text);
    if (young !== undefined) return young;
    const old = this.#old.get(text);
    if (old !== undefined) this.set(text, old);
    return old;
  }

  set(text: string, verdict: Verdict): void {
    if (text.length > maxCachedLength) return;
    if (this.#young.size >= maxEntries || this.#characters + text.length > maxCharacters) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#characters = 0;
    }
    this.#young.set(text, verdict);
    this.#characters += text.length;
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
    this.#characters = 0;
  }
}
