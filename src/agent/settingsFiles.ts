// The three files that PostgreSQL reads its settings from. The agent writes them whole.

import type { SettingsFiles } from '../plan/instanceFacts.ts';
import { readFileIfThere, writeFileAtomically } from './atomicFile.ts';

const names = { conf: 'postgresql.conf', hba: 'pg_hba.conf', ident: 'pg_ident.conf' } as const;

/** Null when there is no data directory. A file that is missing reads as empty. */
export async function readSettingsFiles(pgdata: string): Promise<SettingsFiles | null> {
  const read = async (name: string) => (await readFileIfThere(`${pgdata}/${name}`)) ?? '';
  const [conf, hba, ident] = await Promise.all([read(names.conf), read(names.hba), read(names.ident)]);
  return conf === '' && hba === '' && ident === '' ? null : { conf, hba, ident };
}

/** One file after the other; each is whole at any moment. */
export async function writeSettingsFiles(pgdata: string, files: SettingsFiles): Promise<void> {
  for (const name of ['conf', 'hba', 'ident'] as const) {
    await writeFileAtomically(`${pgdata}/${names[name]}`, files[name]);
  }
}
