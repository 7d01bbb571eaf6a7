import { expect, test } from 'vitest';
import { noteRecord } from '../../src/agent/noteRecord.ts';
import { silentLog } from '../../src/lib/log.ts';
import type { LogRecord } from '../../src/postgres/errorLog.ts';

const removed = 'requested WAL segment 000000010000000000000005 has already been removed';
const paused = 'hot standby is not possible because of insufficient parameter settings';

function kept(...records: readonly Partial<LogRecord>[]) {
  const memory: Parameters<typeof noteRecord>[1] = {
    missingWal: null,
    pausedReplay: null,
    lastError: null,
    lastErrorAbout: 'server',
  };
  const ordinary = { severity: 'ERROR', at: null, process: 1, sqlState: null, user: null, database: null };
  for (const it of records) noteRecord({ ...ordinary, backend: null, message: '', ...it }, memory, silentLog);
  return { missingWal: memory.missingWal, pausedReplay: memory.pausedReplay };
}

test('the WAL receiver and the startup process tell what a replica cannot mend by itself', () => {
  for (const begin of ['could not receive data from WAL stream', 'could not start WAL streaming']) {
    const message = `${begin}: ERROR:  ${removed}`;
    expect(kept({ severity: 'FATAL', backend: 'walreceiver', message })).toEqual({
      missingWal: `${message}: the volume must be cloned again`,
      pausedReplay: null,
    });
  }
  expect(kept({ severity: 'WARNING', backend: 'startup', message: paused })).toEqual({
    missingWal: null,
    pausedReplay: `${paused}: the server must be restarted`,
  });
});

test('a client that writes the same words is not believed, nor is a walsender that tells its own replica', () => {
  const words = [removed, paused, `could not receive data from WAL stream: ERROR:  ${removed}`];
  const backends = ['client backend', 'walsender', 'parallel worker', 'autovacuum worker', null];
  const records = backends.flatMap((backend) => words.map((message) => ({ backend, message })));
  expect(kept(...records)).toEqual({ missingWal: null, pausedReplay: null });
});

test('the words count only as the whole report, whichever process quotes them', () => {
  expect(
    kept(
      { backend: 'walreceiver', message: `invalid name "could not start WAL streaming: ERROR:  ${removed}"` },
      { backend: 'walreceiver', message: removed },
      { backend: 'startup', message: `function said: ${paused}` },
      { backend: 'startup', message: `${paused} in a trigger` },
    ),
  ).toEqual({ missingWal: null, pausedReplay: null });
});
