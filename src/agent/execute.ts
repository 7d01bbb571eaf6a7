// One effect, one case. Nothing else in this folder changes the world on behalf of a plan.

import type { InstanceAction } from '../plan/instanceFacts.ts';
import { createSlotSql, dropSlotSql } from '../postgres/slotsSql.ts';
import type { AgentParts } from './agentParts.ts';
import { writeRecord } from './record.ts';
import { findRefusedParameters } from './refusedParameters.ts';
import { healRoles, readPasswords, rolesDigest } from './roles.ts';
import { writeSettingsFiles } from './settingsFiles.ts';
import { transitionFor } from './transitions.ts';

/** `planAgain`: what the plan was made from does not hold any more, so the rest of it is dropped. */
export type Executed = 'done' | 'planAgain';

export async function execute(
  action: InstanceAction,
  parts: AgentParts,
  signal: AbortSignal,
): Promise<Executed> {
  if (action.kind === 'configure') return configure(action, parts, signal);
  await perform(action, parts, signal);
  return 'done';
}

async function perform(
  action: Exclude<InstanceAction, { kind: 'configure' }>,
  parts: AgentParts,
  signal: AbortSignal,
): Promise<void> {
  const { log, memory } = parts;
  switch (action.kind) {
    case 'initialize':
    case 'clone':
    case 'cloneAgain':
    case 'start':
    case 'promote':
    case 'stop': {
      const { from, to, why, reach } = transitionFor(action);
      log.info({ from, to, ...('reason' in action ? { reason: action.reason } : {}) }, why);
      return reach(action, parts);
    }
    case 'createLease': {
      const { config } = parts.document;
      return config === null ? undefined : parts.lease.create(action.epoch, config, signal);
    }
    case 'abandonWork':
      return parts.work.abandon(action.reason);
    case 'healRoles': {
      const { config } = parts.document;
      if (config === null) return;
      const passwords = await readPasswords(parts.settings);
      await healRoles(passwords, config.bootstrap, parts.settings);
      memory.rolesDigest = rolesDigest(passwords, config.bootstrap);
      log.info(
        { database: config.bootstrap.database },
        'roles, passwords and database are as they should be',
      );
      return;
    }
    case 'createSlot':
      await parts.connection.query(createSlotSql, [action.name]);
      log.info({ slot: action.name }, 'replication slot was created');
      return;
    case 'dropSlot':
      await parts.connection.query(dropSlotSql, [action.name]);
      log.info({ slot: action.name }, 'replication slot was dropped');
      return;
    case 'labelPod':
      await parts.podLabel.put(action.role, signal);
      log.info({ role: action.role }, 'the pod was labelled with its role');
      return;
    case 'writeRecord':
      await writeRecord(parts.paths.record, action.record);
      log.info({ epoch: action.record.epoch }, 'the epoch was recorded in the volume');
      return;
    case 'finish':
      memory.isFinished = true;
  }
}

/** Writes the files, unless PostgreSQL refuses parameters: then the next cycle plans without those. */
async function configure(
  action: Extract<InstanceAction, { kind: 'configure' }>,
  parts: AgentParts,
  signal: AbortSignal,
): Promise<Executed> {
  const { memory, settings, log, document } = parts;
  const asked = document.config?.postgres.parameters ?? {};
  if (action.changed.includes('conf') && memory.programs !== null) {
    const found = await findRefusedParameters(action.files.conf, memory.programs, settings, signal);
    const names = found.filter((name) => name in asked);
    if (names.length > 0) {
      const of = JSON.stringify(asked);
      const before = memory.refused.of === of ? memory.refused.names : [];
      memory.refused = { of, names: [...before, ...names] };
      log.error({ parameters: names }, 'PostgreSQL refuses parameters and runs without them');
      parts.wake.now();
      return 'planAgain';
    }
  }
  await writeSettingsFiles(parts.paths.pgdata, action.files);
  if (memory.lastErrorAbout === 'settings') memory.lastError = null;
  parts.server.reload();
  // What PostgreSQL does not take of the new lines must be out of the file before the server ends for any reason.
  if (action.changed.includes('hba')) parts.wake.now();
  log.info({ changed: action.changed }, 'settings of PostgreSQL were written');
  return 'done';
}
