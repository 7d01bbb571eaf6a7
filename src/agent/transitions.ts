// Every way an instance may change what it is. What is not a row cannot happen.

import type { InstanceAction } from '../plan/instanceFacts.ts';
import type { AgentParts } from './agentParts.ts';
import { clone } from './clone.ts';
import { initialize } from './initialize.ts';
import { withSession } from './localConnection.ts';
import { hasOldCopy, removeOldCopy, setOldCopyAside } from './oldCopy.ts';
import { endServerProcesses } from './serverProcesses.ts';

/** `empty`: no finished data. `stopped`: data, no server. */
export type InstanceForm = 'empty' | 'stopped' | 'replica' | 'primary';

export type Change = Extract<
  InstanceAction,
  { kind: 'initialize' | 'clone' | 'cloneAgain' | 'start' | 'promote' | 'stop' }
>;

export interface Transition<Kind extends Change['kind'] = Change['kind']> {
  readonly by: Kind;
  readonly from: InstanceForm;
  readonly to: InstanceForm;
  readonly why: string;
  readonly reach: (action: Extract<Change, { kind: Kind }>, parts: AgentParts) => Promise<void>;
}

const row = <Kind extends Change['kind']>(transition: Transition<Kind>): Transition =>
  transition as unknown as Transition;

export const transitions: readonly Transition[] = [
  row({
    by: 'initialize',
    from: 'empty',
    to: 'stopped',
    why: 'the topology has no database yet',
    reach: beginInitialize,
  }),
  row({
    by: 'clone',
    from: 'empty',
    to: 'stopped',
    why: 'the topology has a primary to copy',
    reach: beginClone,
  }),
  row({ by: 'start', from: 'stopped', to: 'primary', why: 'this instance holds the Lease', reach: start }),
  row({ by: 'start', from: 'stopped', to: 'replica', why: 'another instance holds the Lease', reach: start }),
  row({
    by: 'promote',
    from: 'replica',
    to: 'primary',
    why: 'this instance holds the Lease',
    reach: promote,
  }),
  row({
    by: 'stop',
    from: 'primary',
    to: 'stopped',
    why: 'the pod stops or the Lease was lost',
    reach: stop,
  }),
  row({
    by: 'stop',
    from: 'replica',
    to: 'stopped',
    why: 'the pod stops or a restart is needed',
    reach: stop,
  }),
  row({ by: 'cloneAgain', from: 'replica', to: 'empty', why: 'the WAL it needs is gone', reach: cloneAgain }),
];

/** The row for an action; throws for a change that no row allows. */
export function transitionFor(action: Change): Transition {
  const found = transitions.find(
    (it) =>
      it.by === action.kind &&
      (action.kind !== 'start' || it.to === action.as) &&
      (action.kind !== 'stop' || it.from === action.from),
  );
  if (found === undefined) throw new Error(`no transition allows ${JSON.stringify(action)}`);
  return found;
}

async function beginInitialize(
  action: Extract<Change, { kind: 'initialize' }>,
  parts: AgentParts,
): Promise<void> {
  const programs = programsOf(parts);
  if (await hasOldCopy(parts.settings.places))
    throw new Error('the volume holds an older copy of a database, no other is initialised beside it');
  parts.work.begin({ kind: 'initialize', source: null }, (signal) =>
    initialize(action, programs, parts.settings, parts.clock, signal),
  );
}

async function beginClone(action: Extract<Change, { kind: 'clone' }>, parts: AgentParts): Promise<void> {
  const { settings, clock, memory } = parts;
  const programs = programsOf(parts);
  parts.work.begin({ kind: 'clone', source: action.source }, async (signal, onProgress) => {
    await clone(action, { programs, settings, clock, onProgress }, signal);
    memory.missingWal = null;
  });
}

async function start(action: Extract<Change, { kind: 'start' }>, parts: AgentParts): Promise<void> {
  const { memory, server, settings } = parts;
  memory.lastRole = null;
  forgetReplay(parts);
  if (action.as === 'primary') memory.rolesDigest = null;
  await server.start(action.as, programsOf(parts).dir, new AbortController().signal);
  // The agent may have died between the end of a clone and the removal of what it replaced.
  await removeOldCopy(settings.places);
}

async function promote(_action: Extract<Change, { kind: 'promote' }>, parts: AgentParts): Promise<void> {
  parts.memory.rolesDigest = null;
  forgetReplay(parts);
  await parts.connection.query('select pg_catalog.pg_promote(false)');
}

/** What the last server said about its replay is nothing that the next one, or a primary, needs mending for. */
function forgetReplay({ memory }: AgentParts): void {
  memory.missingWal = null;
  memory.pausedReplay = null;
}

/** Only begins: the cycle goes on, renews the Lease and answers probes meanwhile. */
async function stop(action: Extract<Change, { kind: 'stop' }>, parts: AgentParts): Promise<void> {
  const { server, connection, log } = parts;
  connection.close();
  server
    .stop(action.mode, () => checkpoint(parts))
    .catch((error: unknown) => log.error({ err: error }, 'stopping PostgreSQL failed'));
}

async function cloneAgain(
  _action: Extract<Change, { kind: 'cloneAgain' }>,
  parts: AgentParts,
): Promise<void> {
  const { server, clock, memory, paths, connection } = parts;
  memory.clonedAgainAtMs = clock.now();
  connection.close();
  await server.stop('immediate', () => checkpoint(parts));
  await endServerProcesses(paths.pgdata, clock, new AbortController().signal);
  await setOldCopyAside(parts.settings.places);
  memory.missingWal = null;
}

/** No limit of its own: who stops the server knows how long a checkpoint may take. */
async function checkpoint(parts: AgentParts): Promise<void> {
  await withSession(parts.settings, { timeoutMs: 0 }, (query) => query('checkpoint'));
}

function programsOf(parts: AgentParts) {
  if (parts.memory.programs === null) throw new Error('the server programs are missing');
  return parts.memory.programs;
}
