// The init container's job: copies Node, its library and the agent to where the pod's main container finds them.

import { cp, mkdir, readdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Must be beside the running bundle. */
const needed: readonly string[] = ['node', 'agent.mjs'];
/** The library that slim images lack, and compiled code that makes the start faster. */
const welcome: readonly string[] = ['lib', 'cache'];

/** @param bundle path of the running bundle; the rest lies beside it */
export async function installAgent(bundle: string, directory: string): Promise<void> {
  const source = dirname(bundle);
  const present = await readdir(source);
  const missing = needed.filter((name) => !present.includes(name));
  if (missing.length > 0)
    throw new Error(`${source} holds no ${missing.join(', ')}, is this the operator's image`);
  await mkdir(directory, { recursive: true });
  for (const name of [...needed, ...welcome.filter((it) => present.includes(it))]) {
    await cp(`${source}/${name}`, `${directory}/${name}`, { recursive: true, force: true });
  }
}
