// Makes what the image carries: `main.mjs` (operator) and `agent.mjs` (agent and pooler) in dist/image,
// each one file without a node_modules folder beside it. The agent's file must stay small, because a
// copy of it runs beside every PostgreSQL server: it is refused when a heavy package has crept in.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import manifest from '../../package.json' with { type: 'json' };

const outDir = 'dist/image';

/** Packages that must not reach the agent: they double its memory or its start time. */
const tooHeavyForAgent = ['@kubernetes/client-node', 'zod', '@peculiar/x509'];

// CommonJS packages inside an ES module still call `require` for Node's own modules.
const banner =
  "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);";

async function bundle(entry: string, outfile: string): Promise<readonly string[]> {
  const result = await build({
    entryPoints: [{ in: entry, out: outfile.replace(/\.mjs$/, '') }],
    outdir: outDir,
    outExtension: { '.js': '.mjs' },
    // What is imported on demand stays a file of its own: the operator in its pod never loads the Kubernetes library.
    splitting: outfile === 'main.mjs',
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'esm',
    minify: true,
    keepNames: true,
    sourcemap: false,
    metafile: true,
    legalComments: 'none',
    banner: { js: banner },
    external: ['pg-native'],
    define: { 'process.env.REPLICA_MANAGER_VERSION': JSON.stringify(manifest.version) },
    logLevel: 'warning',
  });
  const packages = Object.keys(result.metafile.inputs)
    .map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
    .filter((name) => name !== undefined);
  const bytes = result.metafile.outputs[`${outDir}/${outfile}`]?.bytes ?? 0;
  console.log(`${outDir}/${outfile}: ${(bytes / 1024).toFixed(0)} KiB`);
  return [...new Set(packages)];
}

await rm(`${outDir}/chunks`, { recursive: true, force: true });
await mkdir(outDir, { recursive: true });
await bundle('src/main.ts', 'main.mjs');
const agentPackages = await bundle('src/agentMain.ts', 'agent.mjs');
const heavy = tooHeavyForAgent.filter((name) => agentPackages.includes(name));
if (heavy.length > 0) {
  throw new Error(
    `the agent's bundle contains ${heavy.join(', ')}, find the import that brings it in and remove it`,
  );
}
await writeFile(
  `${outDir}/package.json`,
  `${JSON.stringify({ type: 'module', version: manifest.version })}\n`,
);
