import { expect, test } from 'vitest';
import { parsePgbouncerLogLine } from '../../src/pooler/pgbouncerLogLine.ts';

const stamp = '2026-11-23 10:00:00.123 UTC [7]';

test.each([
  [`${stamp} LOG process up: PgBouncer 1.24.1`, { level: 'info', message: 'process up: PgBouncer 1.24.1' }],
  [`${stamp} WARNING pooler error: no such user`, { level: 'warn', message: 'pooler error: no such user' }],
  [`${stamp} FATAL cannot load config file`, { level: 'error', message: 'cannot load config file' }],
  [`${stamp} ODD text`, { level: 'warn', message: `${stamp} ODD text` }],
  ['no such library', { level: 'warn', message: 'no such library' }],
])('%s', (line, expected) => {
  expect(parsePgbouncerLogLine(line)).toEqual(expected);
});
