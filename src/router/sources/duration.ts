// Durations as Go writes them, because the environment variables of the guide do: `10m`, `1h30m`, `60s`, `500ms`, `1.5h`.

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const part = /([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)/y;

/** Milliseconds, rounded up to whole ones; undefined when the text is no duration. A number without a unit is none. */
export function parseDurationMs(text: string): number | undefined {
  let totalMs = 0;
  let end = 0;
  while (end < text.length) {
    part.lastIndex = end;
    const match = part.exec(text);
    const factor = unitMs[match?.[2] ?? ''];
    if (match === null || factor === undefined) return undefined;
    totalMs += Number(match[1]) * factor;
    end = part.lastIndex;
  }
  return end === 0 || !Number.isFinite(totalMs) ? undefined : Math.ceil(totalMs);
}
