// Asks PostgreSQL which lines of pg_hba.conf it does not take. It goes on with the old ones when it is told to read the
// file again, but a server that starts with such a line ends at once.

import type { InstanceFacts, SettingsFiles } from '../plan/instanceFacts.ts';
import type { AgentMemory, AgentParts } from './agentParts.ts';
import type { Statement } from './localConnection.ts';

// It reads the file as it is on disk now, whatever is in force.
const refusedRulesSql =
  'select line_number as line from pg_catalog.pg_hba_file_rules where error is not null order by line_number';

/** The lines of the file that PostgreSQL complains about. */
async function findRefusedLines(hba: string, query: Statement): Promise<readonly string[]> {
  const lines = hba.split('\n');
  const { rows } = await query(refusedRulesSql);
  return rows.map((row) => lines[Number(row['line']) - 1] ?? '');
}

/** Looks at each file once, while the server answers, and remembers what is refused of the lines that were asked for. */
export async function noteRefusedHbaLines(
  server: InstanceFacts['server'],
  files: SettingsFiles | null,
  parts: AgentParts,
): Promise<void> {
  const { memory, log, document, connection } = parts;
  const asked = document.config?.postgres.hba ?? [];
  if (server.kind !== 'answering' || files === null || memory.checkedHba === files.hba) return;
  try {
    const found = await findRefusedLines(files.hba, connection.query);
    const lines = found.filter((line) => asked.includes(line));
    if (lines.length > 0) {
      memory.refusedHba = { of: JSON.stringify(asked), lines: [...refusedHbaLines(asked, memory), ...lines] };
      log.error(
        { at: lines.map((it) => asked.indexOf(it)) },
        'PostgreSQL refuses lines of pg_hba.conf and runs without them',
      );
    }
    memory.checkedHba = files.hba;
  } catch (error) {
    log.debug({ err: error }, 'pg_hba.conf could not be checked, the next cycle tries again');
  }
}

/** Of the lines that are asked for now; empty when others were refused. */
export function refusedHbaLines(
  asked: readonly string[],
  { refusedHba }: Pick<AgentMemory, 'refusedHba'>,
): readonly string[] {
  return refusedHba.of === JSON.stringify(asked) ? refusedHba.lines : [];
}
