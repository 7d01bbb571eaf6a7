// The settings files as an instance's duty wants them, and the step from what is in the volume to that.
//
// Invariant: a server starts only with hba lines that a server before it was started or ran with. PostgreSQL tells which
// lines it does not take while it runs, and does not start with one of them.

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
  const refused = (what: string, field: string) =>
    `PostgreSQL refuses ${what}: correct ${field}; until then the instance runs without`;
  const names = facts.refusedParameters;
  // By their place: a line may hold the password of a directory server.
  const places = (facts.config?.postgres.hba ?? []).flatMap((line, index) =>
    facts.refusedHbaLines.includes(line) ? [`spec.postgres.hba[${index}]`] : [],
  );
  const reasons = [
    ...(names.length === 0 ? [] : [refused(names.join(', '), 'spec.postgres.parameters')]),
    ...(places.length === 0 ? [] : [refused(places.join(', '), 'these lines')]),
  ];
  return reasons.length === 0 ? null : reasons.join('; ');
}

/** Nobody comes in by less than what was asked for while it is not known which of the lines are taken. */
const closedLine =
  'host     all          all  all  reject  # until a server has started without the lines of the resource';

function hbaLines(facts: InstanceFacts, config: TopologyConfig): readonly string[] {
  const { server, files } = facts;
  const lines = config.postgres.hba.filter((it) => !facts.refusedHbaLines.includes(it));
  if (server.kind === 'answering') return lines;
  const present = new Set(files?.hba.split('\n'));
  // It has ended twice without an answer: the lines may be why.
  const isSuspect = server.kind === 'stopped' ? server.exits > 1 : present.has(closedLine);
  if (isSuspect && config.postgres.hba.length > 0) return [closedLine];
  return lines.filter((it) => present.has(it));
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
    hba: hbaFile(databaseRoles, hbaLines(facts, config)),
    ident: identFile(databaseRoles, facts.systemUser),
  };
}

function withoutRefused(
  parameters: Readonly<Record<string, string>>,
  refused: readonly string[],
): Record<string, string> {
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => !refused.includes(name)));
}
