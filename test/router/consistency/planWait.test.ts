import { expect, test } from 'vitest';
import { planRead } from '../../../src/router/balance/planRead.ts';
import type { ReadFacts } from '../../../src/router/balance/readFacts.ts';
import type { ReplicaView } from '../../../src/router/consistency/lagView.ts';
import { planWait } from '../../../src/router/consistency/planWait.ts';
import { noNeeds, type ReadNeeds } from '../../../src/router/consistency/readNeeds.ts';
import { canWaitForLsn, readLsnWait, waitForLsnSql } from '../../../src/router/consistency/waitForLsn.ts';
import { endpointsDocument } from '../../fixtures/endpointsDocument.ts';
import { lagView, lsn, primaryView, replicaView } from '../../fixtures/lagView.ts';

const floor: ReadNeeds = { ...noNeeds, floor: { timeline: 5, lsn: lsn(1_000_100) }, wantsProbes: true };
const pending: ReadNeeds = { ...noNeeds, primaryOnly: 'a write is not covered', wantsProbes: true };

interface Case {
  readonly needs?: ReadNeeds;
  readonly replica?: Partial<ReplicaView>;
  readonly nowMs?: number;
  readonly budgetMs?: number;
  readonly primaryAnswers?: boolean;
}

/** How long a read is expected to wait; `go` when it does not. The replica was observed at 600 ms, the primary at 500 ms. */
function predicted({
  needs = floor,
  replica,
  nowMs = 850,
  budgetMs = 20,
  primaryAnswers = true,
}: Case): number | 'go' {
  const facts: ReadFacts = {
    document: endpointsDocument(),
    health: new Map(),
    tried: new Set(),
    turn: 0,
    isOverflow: false,
    nowMs,
    needs,
    observed: lagView([replicaView('orders-2', replica)], primaryView({ answers: primaryAnswers })),
  };
  const plan = planWait(facts, planRead(facts), budgetMs);
  return plan.kind === 'go' ? 'go' : plan.predictedMs;
}

test('a replica that replays fast enough is waited for until it can have told so', () => {
  expect(predicted({ replica: { replayBytesPerMs: 10_000 } })).toBe(1);
  expect(predicted({ replica: { replayBytesPerMs: 10_000 }, nowMs: 845 })).toBe(6);
});

test('without a known speed it is taken for a slow one that replays', () => {
  expect(predicted({})).toBe(1);
  expect(predicted({ needs: { ...floor, floor: { timeline: 5, lsn: lsn(10_000_000_000) } } })).toBe('go');
});

test('nobody waits for a replica that is too slow, does not stream, is on another timeline or was not observed', () => {
  expect(predicted({ replica: { replayBytesPerMs: 100 } })).toBe('go');
  expect(predicted({ replica: { replayBytesPerMs: 0 } })).toBe('go');
  expect(predicted({ replica: { isStreaming: false } })).toBe('go');
  expect(predicted({ replica: { timeline: 4 } })).toBe('go');
  expect(predicted({ replica: { replayed: null } })).toBe('go');
});

test('nobody waits without a budget, or for a probe that is not due', () => {
  expect(predicted({ budgetMs: 0 })).toBe('go');
  expect(predicted({ nowMs: 700 })).toBe('go');
});

test('a write that is not covered is waited for when the next sample is due in half of the budget', () => {
  expect(predicted({ needs: pending })).toBe(1);
  expect(predicted({ needs: pending, nowMs: 841 })).toBe(10);
  expect(predicted({ needs: pending, nowMs: 840 })).toBe('go');
  expect(predicted({ needs: pending, nowMs: 800 })).toBe('go');
  expect(predicted({ needs: pending, primaryAnswers: false })).toBe('go');
});

test('nobody waits with what waiting does not help: strong reads, ages, replicas that serve', () => {
  expect(predicted({ needs: { ...pending, isStrong: true } })).toBe('go');
  expect(predicted({ needs: { ...noNeeds, maxAgeMs: 100, wantsProbes: true } })).toBe('go');
  expect(predicted({ needs: noNeeds })).toBe('go');
});

// PostgreSQL 19 is not there to run it: text and answers are of its documentation (sql-wait-for).
test('a wait on the server is asked for from PostgreSQL 19 on, and only success lets the read go on', () => {
  expect([null, 180_004, 190_000].map(canWaitForLsn)).toEqual([false, false, true]);
  expect(waitForLsnSql(lsn(0x16_b374_d848), 19.2)).toBe(
    `WAIT FOR LSN '16/B374D848' WITH (MODE 'standby_replay', TIMEOUT '20ms', NO_THROW)`,
  );
  expect(['success', 'timeout', 'not in recovery'].map((status) => readLsnWait({ status }))).toEqual([
    'reached',
    'timeout',
    'not in recovery',
  ]);
  expect(() => readLsnWait(undefined)).toThrow('"undefined" is no answer to WAIT FOR LSN');
});
