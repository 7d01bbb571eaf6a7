// The settings files as an instance's duty wants them, and the step from what is in the volume to that.

import { databaseRoles, slotName } from '../api/names.ts';
import type { TopologyConfig } from '../api/topologyConfig.ts';
import { hbaFile, identFile } from '../postgres/hba.ts';
import { serverSettings, settingsFile } from '../postgres/serverSettings.ts';
import { type Duty, hostOf } from './instanceDuty.ts';
import type { InstanceAction, InstanceFacts, SettingsFiles, VolumeFact } from './instanceFacts.ts';

type Serving = Extract<Duty, { kind: 'primary' | 'replica' }>;
type Data = Extract<VolumeFact, { kind: 'data' }>;

/** Writes all three files when one of them differs. */
export function planSettings(
  facts: InstanceFacts,
  config: TopologyConfig,
  duty: Serving,
  volume: Data,
): InstanceAction[] {
  const files = desiredFiles(facts, config, duty, volume);
  const names = ['conf', 'hba', 'ident'] as const;
  const changed = names.filter((name) => facts.files?.[name] !== files[name]);
  return changed.length === 0 ? [] : [{ kind: 'configure', files, changed }];
}

/** What is told about parameters that PostgreSQL does not take; null when it takes all of them. */
export function refusedReason(facts: InstanceFacts): string | null {
  const names = facts.refusedParameters;
  if (names.length === 0) return null;
  return `PostgreSQL refuses ${names.join(', ')}: correct spec.postgres.parameters; until then the instance runs without`;
}

function desiredFiles(
  facts: InstanceFacts,
  config: TopologyConfig,
  duty: Serving,
  volume: Data,
): SettingsFiles {
  const follows = duty.kind === 'replica' ? duty.of : null;
  const settings = serverSettings({
    instance: facts.instance,
    parameters: withoutRefused(config.postgres.parameters, facts.refusedParameters),
    maxSlotWalKeepSizeBytes: config.replication.maxSlotWalKeepSizeBytes,
    source:
      follows === null
        ? null
        : { host: hostOf(config, follows), user: databaseRoles.replication, slot: slotName(facts.instance) },
    floors: volume.floors,
    places: facts.places,
  });
  return {
    conf: settingsFile(settings, facts.certificateDigest),
    hba: hbaFile(databaseRoles, config.postgres.hba),
    ident: identFile(databaseRoles, facts.systemUser),
  };
}

function withoutRefused(
  parameters: Readonly<Record<string, string>>,
  refused: readonly string[],
): Record<string, string> {
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => !refused.includes(name)));
}
