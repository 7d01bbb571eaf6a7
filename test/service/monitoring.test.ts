// The scripts that ship, and the guide's as they stand in it, against the service.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import type { ReplicaManagerStatus } from '../../src/router/routerStatus.ts';
import { createServiceHandler } from '../../src/service/createServiceHandler.ts';
import { serviceMetrics } from '../../src/service/serviceMetrics.ts';
import { freePort } from '../fixtures/freePort.ts';
import { serveHttp } from '../fixtures/httpService.ts';
import {
  emptyStatus,
  knownLag,
  managerStatus,
  replicaStatus,
  unknownLag,
} from '../fixtures/managerStatus.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const scripts = { health: 'replica_health_check.sh', lag: 'replica_lag_monitor.sh' } as const;

/** Exit code and text of a script. */
function run(script: string, url: string) {
  const env = { PATH: process.env['PATH'] ?? '', REPLICA_MANAGER_URL: url };
  return promisify(execFile)('bash', ['-c', script.replaceAll('http://localhost:4000', url)], { env }).then(
    ({ stdout }) => ({ code: 0, text: stdout.trim() }),
    (error: { code: number; stdout: string }) => ({ code: error.code, text: error.stdout.trim() }),
  );
}

async function check(kind: keyof typeof scripts, status: ReplicaManagerStatus) {
  const handler = createServiceHandler({ status: () => status, hasReadReplicas: () => true });
  await using service = await serveHttp(handler);
  const shipped = await run(read(`examples/monitoring/${scripts[kind]}`), service.url);
  const guides = await run(read(`test/fixtures/guide/${scripts[kind]}`), service.url);
  return { ...shipped, codeOfGuide: guides.code };
}

const lag = (seconds: number | null) =>
  managerStatus({ replicas: [replicaStatus({ lag: seconds === null ? unknownLag() : knownLag(seconds) })] });
const gone = { kind: 'failed', reason: 'connect ECONNREFUSED', ageMs: 1 } as const;

test('a topology that is well passes all checks', async () => {
  expect(await check('health', managerStatus())).toEqual({
    code: 0,
    text: 'Replica health check passed',
    codeOfGuide: 0,
  });
  expect(await check('lag', lag(29.5))).toEqual({
    code: 0,
    text: 'Replica lag is acceptable: 29.5 seconds',
    codeOfGuide: 0,
  });
});

test('a replica that is gone is an alert, and its name is told', async () => {
  const result = await check('health', managerStatus({ replicas: [replicaStatus({ observed: gone })] }));
  expect(result).toMatchObject({ code: 1, codeOfGuide: 1 });
  expect(result.text).toMatch(/^ALERT: Replica health check failed!\n\{(.|\n)*"read_replica"/);
});

test('a replica that lags is an alert', async () => {
  expect(await check('lag', lag(30.5))).toEqual({
    code: 1,
    text: 'ALERT: Replica lag is 30.5 seconds (threshold: 30)',
    codeOfGuide: 1,
  });
});

test.each([
  ['of one replica', lag(null)],
  ['of everything', emptyStatus()],
])(
  'an unknown lag %s is an alert, also to the guide’s script, to which null would be 0',
  async (_, status) => {
    expect(await check('lag', status)).toMatchObject({ code: 1, codeOfGuide: 1 });
    expect(await check('health', emptyStatus())).toMatchObject({ code: 1, codeOfGuide: 1 });
  },
);

test('a service that does not answer, or answers something else, is an alert', async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  await using stranger = await serveHttp((_, response) => response.end('<html>it works</html>'));
  for (const url of [nobody, stranger.url]) {
    for (const script of Object.values(scripts)) {
      expect(await run(read(`examples/monitoring/${script}`), url)).toEqual({
        code: 1,
        text: expect.stringMatching(/^ALERT: /),
      });
    }
  }
});

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string };
}

test('the alert rules name metrics that the service has', () => {
  const at = new Date();
  const families = serviceMetrics({
    status: managerStatus(),
    hasReadReplicas: true,
    at,
    streamClients: 0,
    isReady: true,
  });
  const known = families.map(({ name, type }) => (type === 'counter' ? `${name}_total` : name));
  const { groups } = parse(read('examples/monitoring/alerts.yml')) as { groups: { rules: Rule[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  const named = rules.flatMap(({ expr }) => [...expr.matchAll(/replica_manager_\w+/g)].map(([name]) => name));
  expect(rules.length).toBeGreaterThan(5);
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
});

test('Prometheus scrapes the path of the guide and loads the rules beside it', () => {
  expect(parse(read('examples/monitoring/prometheus.yml'))).toMatchObject({
    rule_files: ['alerts.yml'],
    scrape_configs: [
      {
        job_name: 'replica-manager',
        scrape_interval: '15s',
        metrics_path: '/database/replica/stats',
        static_configs: [{ targets: ['localhost:4000'] }],
      },
    ],
  });
});
