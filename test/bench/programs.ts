// Start time and memory of the bundled programs, each as a ratio to an empty Node process measured in the
// same run, because machines are noisy. Run by `make bench`; docs/benchmarks.md quotes it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const runs = 7;
const cacheDir = mkdtempSync(join(tmpdir(), 'replica-manager-bench-'));
const programs = {
  'empty process': ['-e', ''],
  'agent (agent.mjs version)': ['dist/image/agent.mjs', 'version'],
  'operator (main.mjs version)': ['dist/image/main.mjs', 'version'],
} as const;

interface Sample {
  readonly startMs: number;
  readonly peakMiB: number;
}

/** One run of a program; the peak is what the kernel accounts to the finished process. */
function measure(args: readonly string[]): Sample {
  const report = 'process.on("exit",()=>process.stderr.write("rss="+process.resourceUsage().maxRSS+"\\n"))';
  const preload = `data:text/javascript,${encodeURIComponent(report)}`;
  const started = performance.now();
  const done = spawnSync(process.execPath, ['--import', preload, ...args], {
    encoding: 'utf8',
    timeout: 30_000,
    env: { ...process.env, NODE_COMPILE_CACHE: cacheDir },
  });
  const startMs = performance.now() - started;
  const peakKiB = Number(/rss=(\d+)/.exec(done.stderr)?.[1]);
  if (done.status !== 0 || !(peakKiB > 0)) throw new Error(`${args.join(' ')} failed: ${done.stderr}`);
  return { startMs, peakMiB: peakKiB / 1024 };
}

const spread = (values: readonly number[]): readonly [number, number, number] => {
  const sorted = values.toSorted((a, b) => a - b);
  return [sorted[0] ?? 0, sorted[sorted.length >> 1] ?? 0, sorted.at(-1) ?? 0];
};
const row = (values: readonly number[], digits: number) =>
  spread(values)
    .map((it) => it.toFixed(digits))
    .join(' / ');

try {
  for (const args of Object.values(programs)) measure(args);
  const samples = Object.fromEntries(Object.keys(programs).map((name) => [name, [] as Sample[]]));
  for (let run = 0; run < runs; run += 1) {
    for (const [name, args] of Object.entries(programs)) samples[name]?.push(measure(args));
  }
  const base = samples['empty process'] ?? [];
  console.log(`${runs} runs in turn, min / median / max`);
  for (const [name, list] of Object.entries(samples)) {
    const ratios = list.map((it, index) => it.startMs / (base[index]?.startMs ?? Number.NaN));
    console.log(
      `${name}: start ${row(
        list.map((it) => it.startMs),
        0,
      )} ms (ratio ${row(ratios, 2)}), peak ${row(
        list.map((it) => it.peakMiB),
        0,
      )} MiB`,
    );
  }
} finally {
  rmSync(cacheDir, { recursive: true, force: true });
}
