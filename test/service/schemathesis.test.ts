// Requests that nobody would think of, made from the description that the service gives of itself.

import { execFile } from 'node:child_process';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { expect, type TestContext, test } from 'vitest';
import { createServiceHandler } from '../../src/service/createServiceHandler.ts';
import { serveHttp } from '../fixtures/httpService.ts';
import { emptyStatus, managerStatus } from '../fixtures/managerStatus.ts';
import { schemathesisProgram } from '../fixtures/schemathesisProgram.ts';

const program = await schemathesisProgram();
const path = 'path' in program ? program.path : '';

/** Says in the report of the run why it is skipped; elsewhere nobody would know. */
function skipIfMissing(context: TestContext): void {
  if ('missing' in program) context.skip(program.missing);
}

/** Its exit code and report. The stream is left out, because an answer that never ends cannot be judged. */
async function examine(listener: RequestListener, more: readonly string[] = []) {
  await using service = await serveHttp(listener);
  const what = ['run', `${service.url}/openapi.json`, '--exclude-path', '/endpoints/stream'];
  const how = ['--max-examples', '30', '--seed', '1', '--no-color'];
  return await promisify(execFile)(path, [...what, ...how, ...more], { cwd: tmpdir() }).then(
    ({ stdout }) => ({ code: 0, report: stdout }),
    (error: { code: number; stdout: string }) => ({ code: error.code, report: error.stdout }),
  );
}

const handler = (status = managerStatus()) =>
  createServiceHandler({ status: () => status, hasReadReplicas: () => true });

const timeoutMs = 60_000;

test('schemathesis finds nothing', { timeout: timeoutMs }, async (context) => {
  skipIfMissing(context);
  // That 503 is an answer on purpose before a topology is known, it cannot know.
  const unknown = await examine(handler(emptyStatus()), ['--exclude-checks', 'not_a_server_error']);
  for (const { code, report } of [await examine(handler()), unknown]) {
    expect(code, report).toBe(0);
    expect(report).toMatch(/No issues found/);
  }
});

test('schemathesis would find a wrong answer', { timeout: timeoutMs }, async (context) => {
  skipIfMissing(context);
  const right = handler();
  const { code, report } = await examine((request, response) => {
    if (request.url !== '/database/info') right(request, response);
    else response.writeHead(200, { 'content-type': 'application/json' }).end('{"primaryConnected": "yes"}');
  });
  expect([code, report]).toEqual([1, expect.stringContaining('Response violates schema')]);
});
