#!/usr/bin/env node
// The program of the installed library, `npx replica-manager`: only what needs neither Kubernetes nor a package beside
// `pg`. The image has src/main.ts, which knows the same command and more.

import { nodeProblem } from './service/nodeProblem.ts';

const usage = `usage: replica-manager serve

  serve     answers the monitoring endpoints on port 4000 (REPLICA_MANAGER_PORT) until it is told to stop,
            configured by the environment, see docs/reference/service.md`;

async function main([command]: readonly string[]): Promise<number> {
  const problem = nodeProblem(process.versions.node);
  if (problem !== null) throw new Error(problem);
  if (command === 'serve') {
    // Loaded after the check: what it is made of does not load on an older Node.
    const { serveCommand } = await import('./service/serveCommand.ts');
    return serveCommand(process.env);
  }
  const isHelp = command === 'help' || command === '--help' || command === '-h';
  if (isHelp) console.log(usage);
  else console.error(usage);
  return isHelp ? 0 : 2;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
