// Nothing is written when nothing differs. The API server's audit log is the witness.
import { execFileSync } from 'node:child_process';
import { beforeAll, expect, test } from 'vitest';
import { readyTopology } from '../fixtures/topology.ts';

interface AuditEvent {
  verb: string;
  stage: string;
  user: { username: string };
  stageTimestamp: string;
  objectRef?: { resource: string; subresource?: string; namespace?: string; name?: string };
}

const idleMs = 60_000;
const writes = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);

function auditLog(): AuditEvent[] {
  const text = execFileSync('test/cluster/cluster', ['audit'], {
    encoding: 'utf8',
    maxBuffer: 512 * 1024 * 1024,
  });
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as AuditEvent);
}

beforeAll(async () => {
  await readyTopology();
});

test('in an idle minute the only writes are Lease renewals and at most 12 status updates', async () => {
  // The start-up's last transitions may still be written in the first seconds.
  await new Promise((resolve) => setTimeout(resolve, 15_000));
  const from = new Date();
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  const until = new Date();

  const ours = auditLog().filter(
    ({ verb, user, stage, stageTimestamp }) =>
      writes.has(verb) &&
      stage === 'ResponseComplete' &&
      /system:serviceaccount:(shop|replica-manager):/.test(user.username) &&
      new Date(stageTimestamp) >= from &&
      new Date(stageTimestamp) <= until,
  );
  const counts: Record<string, number> = {};
  for (const { verb, objectRef } of ours) {
    const what = `${verb} ${objectRef?.resource}${objectRef?.subresource === undefined ? '' : `/${objectRef.subresource}`} ${objectRef?.namespace}/${objectRef?.name}`;
    counts[what] = (counts[what] ?? 0) + 1;
  }
  console.log(`writes in an idle minute: ${JSON.stringify(counts)}`);

  const renewals = Object.entries(counts).filter(([what]) => / leases /.test(what));
  const statusUpdates = Object.entries(counts).filter(([what]) => /replicatedpostgreses\/status/.test(what));
  const others = Object.keys(counts).filter(
    (what) => !/ leases /.test(what) && !/replicatedpostgreses\/status/.test(what),
  );
  expect(renewals.length).toBeGreaterThan(0);
  expect(statusUpdates.reduce((sum, [, count]) => sum + count, 0)).toBeLessThanOrEqual(12);
  expect(others).toEqual([]);
});
