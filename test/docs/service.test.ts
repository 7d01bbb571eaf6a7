// What is written about the service is what it does.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { unknownLagSeconds } from '../../src/service/guideAnswers.ts';
import { replicaStates } from '../../src/service/judgeReplicaState.ts';
import { openApi } from '../../src/service/openApi.ts';
import { serviceMetrics } from '../../src/service/serviceMetrics.ts';
import { managerStatus } from '../fixtures/managerStatus.ts';

const page = readFileSync(new URL('../../docs/reference/service.md', import.meta.url), 'utf8');

test('every path of the service is in the table, and nothing else', () => {
  const rows = [...page.matchAll(/^\| ((?:`\/[^`]+`(?:, )?)+) \|/gm)];
  const paths = rows.flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, path]) => path));
  const described = Object.keys(openApi.paths).filter((path) => path !== '/openapi.json');
  expect(new Set(paths)).toEqual(new Set(described));
});

test('every metric is named, with its labels', () => {
  const status = managerStatus({ counters: { ...managerStatus().counters, learned: 0 } });
  const facts = { status, hasReadReplicas: true, at: new Date(), streamClients: 0, isReady: true };
  for (const { name, type, samples } of serviceMetrics(facts)) {
    const labels = Object.keys(samples[0]?.labels ?? {});
    const short = name.replace('replica_manager_', '') + (type === 'counter' ? '_total' : '');
    expect(page).toContain(`\`${short}${labels.length === 0 ? '' : `{${labels.join(',')}}`}\``);
  }
});

test('every state of a replica is explained, and the number that stands for an unknown lag is told', () => {
  for (const state of replicaStates) expect(page).toContain(`| \`${state}\` |`);
  expect(page).toContain(`**${unknownLagSeconds}**`);
});
