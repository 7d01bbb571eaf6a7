import { expect, test } from 'vitest';
import { errorInTransaction, errorOf } from '../../src/router/failures.ts';
import { judgeFailure, messageOf } from '../../src/router/judgeFailure.ts';
import { primaryEndpoint } from '../fixtures/endpointsDocument.ts';

const withCode = (code: string, message = 'x', more: object = {}) =>
  Object.assign(new Error(message), { code, ...more });
const ofSocket = (code: string) => withCode(code, `connect ${code}`, { syscall: 'connect' });

test.each([
  ['a refused connection', ofSocket('ECONNREFUSED'), 'connection'],
  ['a name that does not resolve', withCode('ENOTFOUND', 'x', { syscall: 'getaddrinfo' }), 'connection'],
  ['a server that starts up', withCode('57P03'), 'connection'],
  ['too many connections', withCode('53300'), 'connection'],
  ['a wrong password', withCode('28P01'), 'statement'],
  ['a role that may not log in', withCode('28000'), 'statement'],
  ['a database that does not exist', withCode('3D000'), 'statement'],
  ['a certificate of another authority', withCode('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), 'untrusted'],
  ['a certificate that has expired', withCode('CERT_HAS_EXPIRED'), 'untrusted'],
  ['a certificate of another host', withCode('ERR_TLS_CERT_ALTNAME_INVALID'), 'untrusted'],
  ['no answer in time', new Error('Connection terminated due to connection timeout'), 'connection'],
  ['a pool whose connections stay in use', new Error('timeout exceeded when trying to connect'), 'busy'],
])('before the statement was sent: %s', (_, error, kind) => {
  expect(judgeFailure(error, 'connecting')).toMatchObject({ kind, phase: 'connecting', error });
});

test.each([
  ['a syntax error', withCode('42601'), 'statement', true],
  ['a unique violation', withCode('23505'), 'statement', true],
  ['a statement timeout', withCode('57014'), 'statement', true],
  ['a serialization failure', withCode('40001', 'could not serialize access'), 'statement', true],
  ['a write on a replica', withCode('25006'), 'statement', true],
  [
    'a recovery conflict',
    withCode('40001', 'canceling statement due to conflict with recovery'),
    'conflict',
    true,
  ],
  ['a shutdown', withCode('57P01'), 'connection', false],
  ['a crash', withCode('57P02'), 'connection', false],
  ['a broken connection', withCode('08006'), 'connection', false],
  ['a reset', ofSocket('ECONNRESET'), 'connection', false],
  ['too many values', withCode('08P01', 'x', { severity: 'ERROR' }), 'statement', true],
  ['a pooler without a server', withCode('08P01', 'x', { severity: 'FATAL' }), 'connection', false],
  ['a closed socket', new Error('Connection terminated unexpectedly'), 'connection', false],
  ['a silent server', new Error('Query read timeout'), 'timeout', false],
  ['a value that cannot be sent', new TypeError('Converting circular structure to JSON'), 'statement', false],
  ['an error of the file system', withCode('ENOENT'), 'statement', false],
  ['something that is no error', 'out of order', 'statement', false],
])('after the statement was sent: %s', (_, error, kind, isConnectionUsable) => {
  expect(judgeFailure(error, 'querying')).toEqual({ kind, phase: 'querying', isConnectionUsable, error });
});

test.each([
  new Error('Client has encountered a connection error and is not queryable'),
  new Error('Client was closed and is not queryable'),
  withCode('08P01', 'query_wait_timeout', { severity: 'FATAL' }),
  withCode('08P01', 'server login has been failing, cached error: connect failed (server_login_retry)', {
    severity: 'FATAL',
  }),
])('of what ended with %s nothing ran', (error) => {
  const failure = { kind: 'connection', phase: 'connecting', isConnectionUsable: false, error } as const;
  expect(judgeFailure(error, 'querying')).toEqual(failure);
  const primary = primaryEndpoint({ name: 'orders-1' });
  expect(errorOf(primary, failure, false)).toMatchObject({ code: 'RPG_PRIMARY_UNREACHABLE' });
  expect(errorInTransaction('orders-1', failure, true)).toMatchObject({ code: 'RPG_TRANSACTION_LOST' });
});

test('a write that is lost on its way has an unknown outcome, and a read has none to find out', () => {
  const failure = judgeFailure(new Error('Connection terminated unexpectedly'), 'querying');
  const primary = primaryEndpoint({ name: 'orders-1' });
  expect(errorOf(primary, failure, false)).toMatchObject({ code: 'RPG_OUTCOME_UNKNOWN' });
  expect(errorOf(primary, failure, true)).toMatchObject({
    code: 'RPG_PRIMARY_UNREACHABLE',
    isRetryable: true,
    message: 'lost orders-1 during the read, run it again: Connection terminated unexpectedly',
  });
});

test('an error about several addresses is told in words', () => {
  expect(
    messageOf(new AggregateError([new Error('no route to ::1'), new Error('refused by 127.0.0.1')])),
  ).toBe('no route to ::1, refused by 127.0.0.1');
});
