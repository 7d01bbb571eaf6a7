import { expect, test } from 'vitest';
import { type Failure, judgeFailure } from '../../src/router/judgeFailure.ts';
import { type FailedWrite, judgeNotRun, judgeSuccessor } from '../../src/router/judgeRetry.ts';
import type { Observation } from '../../src/router/observation.ts';
import { endpointsDocument, primaryEndpoint, replicaEndpoint } from '../fixtures/endpointsDocument.ts';
import { answered, failed, observed } from '../fixtures/observation.ts';

const insert = 'INSERT INTO orders VALUES ($1)';
const failure = (code: string, phase: Failure['phase'] = 'querying') =>
  judgeFailure(Object.assign(new Error(code), { code, severity: 'FATAL' }), phase);

test.each<[string, string, Failure, boolean, string | undefined]>([
  ['nobody listened', insert, failure('ECONNREFUSED', 'connecting'), false, 'unsent'],
  ['the server was starting', insert, failure('57P03', 'connecting'), false, 'unsent'],
  ['the server let nobody in', insert, failure('57P03'), false, 'unsent'],
  [
    'the connection was gone before',
    insert,
    judgeFailure(new Error('Client was closed and is not queryable'), 'querying'),
    false,
    'unsent',
  ],
  ['the server has no place left', insert, failure('53300', 'connecting'), false, undefined],
  ['the password is wrong', insert, failure('28P01', 'connecting'), false, undefined],
  ['the server shut down', insert, failure('57P01'), false, 'rolledBack'],
  ['the server crashed', insert, failure('57P02'), false, undefined],
  [
    'the connection broke',
    insert,
    judgeFailure(new Error('Connection terminated unexpectedly'), 'querying'),
    false,
    undefined,
  ],
  ['a standby refused it', insert, failure('25006'), true, 'refused'],
  ['a transaction was READ ONLY', insert, failure('25006'), false, undefined],
  ['the row was there', insert, failure('23505'), false, undefined],
])('%s', (_, text, of, isStandby, expected) => {
  expect(judgeNotRun(text, of, isStandby)).toBe(expected);
});

test.each<[string, boolean]>([
  ['insert into a select 1', true],
  ['  /* primary */ -- now\n UPDATE a SET b = 1;\n', true],
  ['WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x', true],
  ['BEGIN ISOLATION LEVEL SERIALIZABLE', true],
  ['CALL settle()', false],
  ['DO $$ BEGIN COMMIT; END $$', false],
  ['VACUUM orders', false],
  ['CREATE INDEX CONCURRENTLY ON orders (id)', false],
  ['INSERT INTO a VALUES (1); COMMIT; INSERT INTO a VALUES (2)', false],
  ["INSERT INTO a VALUES (';')", false],
  ['/* a /* insert */ */ CALL settle()', false],
  ['/* a /* */ insert into a values (1) */ CALL settle()', false],
  ['inserted', false],
])('when the server shuts down, that %j is rolled back as a whole is %j', (text, isWhole) => {
  expect(judgeNotRun(text, failure('57P01'), false)).toBe(isWhole ? 'rolledBack' : undefined);
});

const at = (startedAtMs: number, differences: object = {}, name = 'orders-1') => ({
  ...answered(name, differences),
  startedAtMs,
});
const write = (differences: Partial<FailedWrite> = {}): FailedWrite => ({
  how: 'unsent',
  endpoint: primaryEndpoint(),
  server: 'start of orders-1',
  failedAtMs: 1_000,
  ...differences,
});
const moved = {
  primary: primaryEndpoint({ name: 'orders-2' }),
  replicas: [replicaEndpoint({ name: 'orders-1' })],
};

test.each<
  [string, Partial<Parameters<typeof endpointsDocument>[0]>, readonly Observation[], FailedWrite, string]
>([
  ['nobody is primary', { primary: null }, [], write(), 'wait'],
  ['the primary does not answer', {}, [failed('orders-1')], write(), 'wait'],
  ['its answer is from before', {}, [at(999)], write(), 'wait'],
  ['it answers again', {}, [at(1_001)], write(), 'there'],
  ['it has become a standby', {}, [at(1_001, { role: 'replica' })], write(), 'wait'],
  ['another one is named and not asked yet', moved, [failed('orders-1')], write(), 'wait'],
  ['another one is primary', moved, [failed('orders-1'), at(0, {}, 'orders-2')], write(), 'there'],
  ['none was known, and now there is one', {}, [at(0)], write({ endpoint: null, server: null }), 'there'],
  ['the sessions of the server are being ended', {}, [at(1_050)], write({ how: 'rolledBack' }), 'wait'],
  ['only the session was ended', {}, [at(1_101)], write({ how: 'rolledBack' }), 'unchanged'],
  [
    'the server was started again',
    {},
    [at(1_101, { server: 'later' })],
    write({ how: 'rolledBack' }),
    'there',
  ],
  [
    'nobody knows when the server was started',
    {},
    [at(1_101)],
    write({ how: 'rolledBack', server: null }),
    'unchanged',
  ],
  [
    'another one is primary after the end of a session',
    moved,
    [at(0, {}, 'orders-2')],
    write({ how: 'rolledBack' }),
    'there',
  ],
])('%s', (_, differences, seen, of, expected) => {
  expect(judgeSuccessor(endpointsDocument(differences), observed(...seen), of)).toBe(expected);
});
