// The agent's own note in the volume, replica-manager.json: to which topology the data belongs, and the
// highest epoch that it has seen. Written before the data gets its final name, so finished data has one.

import type { InstanceRecord } from '../plan/instanceFacts.ts';
import { readFileIfThere, writeFileAtomically } from './atomicFile.ts';

/** Null when there is none. Throws on one that this program cannot read. */
export async function readRecord(path: string): Promise<InstanceRecord | null> {
  const text = await readFileIfThere(path);
  return text === null ? null : parseRecord(text);
}

export function parseRecord(text: string): InstanceRecord {
  const value = JSON.parse(text) as Partial<InstanceRecord> | null;
  if (
    value?.version !== 1 ||
    typeof value.topologyUid !== 'string' ||
    typeof value.systemIdentifier !== 'string' ||
    !Number.isSafeInteger(value.epoch)
  ) {
    throw new Error('replica-manager.json in the volume is not a record that this version knows');
  }
  const { topologyUid, systemIdentifier } = value;
  return {
    version: 1,
    topologyUid,
    systemIdentifier,
    epoch: Number(value.epoch),
    majorVersion: Number(value.majorVersion),
  };
}

export function writeRecord(path: string, record: InstanceRecord): Promise<void> {
  return writeFileAtomically(path, `${JSON.stringify(record)}\n`);
}
