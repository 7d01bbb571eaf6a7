import { expect, test } from 'vitest';
import { ApiError, readApiError, unreachable } from '../../src/kube/apiError.ts';

const verdict = ({ isRetryable, isTerminal }: ApiError) => {
  if (isTerminal) return 'terminal';
  return isRetryable ? 'retryable' : 'up to the caller';
};

test.each([
  [0, 'Unreachable', 'retryable'],
  [400, 'BadRequest', 'terminal'],
  [401, 'Unauthorized', 'retryable'],
  [403, 'Forbidden', 'up to the caller'],
  [404, 'NotFound', 'up to the caller'],
  [409, 'Conflict', 'retryable'],
  [409, 'AlreadyExists', 'up to the caller'],
  [410, 'Expired', 'up to the caller'],
  [413, 'RequestEntityTooLarge', 'terminal'],
  [422, 'Invalid', 'terminal'],
  [429, 'TooManyRequests', 'retryable'],
  [500, 'InternalError', 'retryable'],
  [503, 'ServiceUnavailable', 'retryable'],
  [504, 'Timeout', 'retryable'],
])('%i %s is %s', (status, reason, expected) => {
  expect(verdict(new ApiError({ status, reason, message: 'it failed' }))).toBe(expected);
});

test.each([
  'failed to create typed patch object (shop/a; apps/v1, Kind=StatefulSet): .spec.x: field not declared in schema',
  '.spec.colour: field not declared in schema',
  'failed to create typed patch object: .spec.ports: duplicate entries for key [port=80]',
])('500 "%s" is terminal, because the object does not fit its schema', (message) => {
  expect(verdict(new ApiError({ status: 500, reason: 'InternalError', message }))).toBe('terminal');
});

test('a Status object is read with its reason and message', () => {
  const body = JSON.stringify({
    kind: 'Status',
    reason: 'NotFound',
    message: 'pods "a" not found',
    code: 404,
  });

  expect(readApiError(404, body, 3_000)).toMatchObject({
    status: 404,
    reason: 'NotFound',
    message: 'pods "a" not found',
    retryAfterMs: 3_000,
  });
});

test.each([
  ['an error page of a proxy', '<html>token 1234</html>'],
  ['JSON that is no Status', '{"token":"1234","message":{"more":"1234"},"reason":1234}'],
  ['a list', '["1234"]'],
])('of %s only the status and the length are told', (_what, body) => {
  const { reason, message } = readApiError(502, body);

  expect({ reason, message }).toEqual({
    reason: 'HTTP502',
    message: `the API server answered 502 with ${body.length} characters that are not a Status`,
  });
});

test('a broken connection keeps its cause', () => {
  const cause = new Error('read ECONNRESET');

  expect(unreachable(cause)).toMatchObject({
    status: 0,
    message: 'the API server cannot be reached: read ECONNRESET',
    cause,
  });
});
