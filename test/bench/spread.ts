// How figures are written: min / median / max, because machines are noisy.

export function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)]
    .map((it) => shortNumber(it ?? Number.NaN))
    .join(' / ');
}

/** Each value next to that of the peer in the same round. */
export function ratios(values: readonly number[], peer: readonly number[]): number[] {
  return values.map((it, round) => it / (peer[round] ?? Number.NaN));
}

export function differences(values: readonly number[], peer: readonly number[]): number[] {
  return values.map((it, round) => it - (peer[round] ?? Number.NaN));
}

/** Three digits, never as a power of ten. */
function shortNumber(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
