// Runs the benchmarks one after the other, each in a process of its own. `make bench` runs all, `make bench BENCH=addedTime` one.

import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';

const benches = {
  programs: 'start and memory of the programs',
  classify: 'telling where a statement may run',
  addedTime: 'added time per statement',
  readThroughput: 'reads per second',
  cacheMemory: 'memory of 10 000 distinct statements',
  promotion: 'from promotion to the first write',
} as const;

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(`there is no benchmark ${unknown.join(', ')}, only ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}

console.log(`Node ${process.version}, ${cpus().length} cores`);
for (const [name, what] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const startedMs = performance.now();
  console.log(`\n== ${what} (${name})`);
  const args = ['--expose-gc', join(import.meta.dirname, `${name}.ts`)];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
  console.log(
    `== ${name}: ${status === 0 ? 'ok' : 'failed'} in ${Math.round((performance.now() - startedMs) / 1_000)} s`,
  );
}
