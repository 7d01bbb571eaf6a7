// Gathers every fact for one cycle. Decides nothing and changes nothing but what the cycle remembers.
//
// Invariant: what cannot be read is a fact as well, or the last reading stays. An agent that throws here is blind, while
// its server and the Lease go on.

import { userInfo } from 'node:os';
import { databaseRoles } from '../api/names.ts';
import type { InstanceFacts, ServerFact, VolumeFact } from '../plan/instanceFacts.ts';
import { instanceStateSql, readInstanceState } from '../postgres/instanceState.ts';
import type { AgentParts } from './agentParts.ts';
import { readCertificateFiles } from './certificateFiles.ts';
import { findPrograms } from './program.ts';
import { readVolume } from './readVolume.ts';
import { noteRefusedHbaLines, refusedHbaLines } from './refusedHbaLines.ts';
import { readPasswords, rolesDigest } from './roles.ts';
import { readSettingsFiles } from './settingsFiles.ts';

export async function observeInstance(
  parts: AgentParts,
  stopRequested: boolean,
  signal: AbortSignal,
): Promise<InstanceFacts> {
  const { settings, clock, memory } = parts;
  const { config } = parts.document;
  const isVolumeTaken = !(await parts.volumeLock.take());
  const binaries = await observeBinaries(parts, signal);
  const [volume, server, files, certificateDigest, rolesCurrent] = await Promise.all([
    observeVolume(parts, signal),
    observeServer(parts),
    // Settings that cannot be read are written anew, which says why it fails.
    readSettingsFiles(parts.paths.pgdata).catch(() => null),
    observeCertificate(parts),
    config === null ? false : areRolesCurrent(parts, config.bootstrap),
  ]);
  await noteRefusedHbaLines(server, files, parts);
  return {
    instance: settings.instance,
    stopRequested,
    config,
    lease: parts.lease.fact,
    binaries,
    isVolumeTaken,
    volume,
    server,
    work: parts.work.fact,
    workFailure: parts.work.failure,
    files,
    refusedParameters:
      memory.refused.of === JSON.stringify(config?.postgres.parameters) ? memory.refused.names : [],
    refusedHbaLines: refusedHbaLines(config?.postgres.hba ?? [], memory),
    certificateDigest,
    systemUser: systemUser(),
    places: {
      tlsDir: settings.places.tlsDir,
      socketDir: settings.places.socketDir,
      listenAddresses: settings.listenAddresses,
      port: settings.postgresPort,
    },
    rolesCurrent,
    podRole: parts.podLabel.role,
    missingWal: memory.missingWal,
    pausedReplay: memory.pausedReplay,
    sinceCloneAgainMs: memory.clonedAgainAtMs === null ? null : clock.now() - memory.clonedAgainAtMs,
  };
}

async function observeBinaries(parts: AgentParts, signal: AbortSignal): Promise<InstanceFacts['binaries']> {
  const { memory, settings } = parts;
  try {
    memory.programs ??= await findPrograms(settings, signal);
    return { kind: 'found', majorVersion: memory.programs.majorVersion };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: 'missing', reason: error instanceof Error ? error.message : String(error) };
  }
}

async function observeCertificate({ settings, memory }: AgentParts): Promise<string> {
  try {
    memory.certificateDigest = (await readCertificateFiles(settings.places.tlsDir)).digest;
  } catch {
    // The cycle tells of it when it renews the certificate that it shows itself.
  }
  return memory.certificateDigest;
}

/** Without an entry in the image's passwd nobody comes in by peer authentication, under whichever name. */
function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    return databaseRoles.superuser;
  }
}

async function observeVolume(parts: AgentParts, signal: AbortSignal): Promise<VolumeFact> {
  const { programs } = parts.memory;
  if (programs === null) return { kind: 'unreadable', reason: 'the server programs are missing' };
  const running = parts.server.state.kind !== 'stopped';
  return readVolume(parts.settings, programs, parts.control, running, signal);
}

async function observeServer(parts: AgentParts): Promise<ServerFact> {
  const { server, clock, memory, connection } = parts;
  const { state } = server;
  const now = clock.now();
  if (state.kind === 'stopped') {
    connection.close();
    return { kind: 'stopped', exits: state.exits, stoppedForMs: now - state.sinceMs };
  }
  if (state.kind === 'stopping')
    return { kind: 'stopping', as: memory.lastRole ?? state.as, mode: state.mode };
  try {
    const { rows } = await connection.query(instanceStateSql);
    const answer = readInstanceState(rows[0]);
    memory.lastRole = answer.role;
    memory.answeredAtMs = clock.now();
    if (answer.streaming === true) memory.missingWal = null;
    if (answer.streaming === true && memory.lastErrorAbout === 'receiver') memory.lastError = null;
    server.noteAnswer();
    return { kind: 'answering', as: answer.role, state: answer };
  } catch {
    // Starting, recovering, hanging or just gone: the process itself, and its log, say which.
    const since = Math.max(state.sinceMs, memory.answeredAtMs);
    return { kind: 'silent', as: memory.lastRole ?? state.as, silentForMs: clock.now() - since };
  }
}

async function areRolesCurrent(
  parts: AgentParts,
  bootstrap: Parameters<typeof rolesDigest>[1],
): Promise<boolean> {
  // Passwords that cannot be read are not current; mending the roles says why.
  const passwords = await readPasswords(parts.settings).catch(() => null);
  if (passwords === null) return false;
  return parts.memory.rolesDigest === rolesDigest(passwords, bootstrap);
}
