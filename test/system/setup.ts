// Runs once before the system tests: installs the operator with the chart, as a user would, and makes
// sure that a broken earlier run left nothing behind.
import { execFileSync } from 'node:child_process';
import { namespace, operatorNamespace } from '../fixtures/topology.ts';

const run = (command: string, args: readonly string[]) =>
  execFileSync(command, args, { stdio: 'inherit', timeout: 300_000 });

const devImages = 'image.repository=replica-manager,image.tag=dev,poolerImage=replica-manager-pgbouncer:dev';
const chart = ['upgrade', '--install', 'replica-manager', 'charts/replica-manager'];
const place = ['-n', operatorNamespace, '--create-namespace', '--wait', '--timeout=180s'];

export function setup(): void {
  run('kubectl', ['delete', 'namespace', namespace, '--ignore-not-found', '--wait']);
  run('helm', [...chart, ...place, '--set', devImages]);
  // The tag stays the same while the image changes, so a running operator has to be told.
  run('kubectl', ['-n', operatorNamespace, 'rollout', 'restart', 'deployment']);
  run('kubectl', ['-n', operatorNamespace, 'rollout', 'status', 'deployment', '--timeout=180s']);
  run('kubectl', ['create', 'namespace', namespace]);
}
