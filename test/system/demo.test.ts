// The README's first command, without the cluster that it makes before.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { kubectl } from '../fixtures/kubectl.ts';

const removeDemo = () => kubectl(['delete', 'namespace', 'demo', '--ignore-not-found', '--wait']);

afterAll(removeDemo);

test('the demo ends with a topology whose application writes to the primary and reads from both replicas', async () => {
  await removeDemo();

  const { stdout, stderr } = await promisify(execFile)('examples/demo', { timeout: 400_000 });

  expect(stderr).toBe('');
  const seconds = stdout.split('\n').filter((line) => / writes=\d+ /.test(line));
  expect(seconds).toHaveLength(6);
  expect(seconds.at(-1)).toMatch(/ failed=0 .* reads=orders-2:\d+,orders-3:\d+ .* primary=orders-1 /);
  expect(stdout).toContain('orders-1\tprimary\tready\ttakes writes');
}, 500_000);
