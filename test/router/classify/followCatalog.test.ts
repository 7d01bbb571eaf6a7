import { expect, test } from 'vitest';
import { silentLog } from '../../../src/lib/log.ts';
import type { Row } from '../../../src/postgres/query.ts';
import { Classifier } from '../../../src/router/classify/classifier.ts';
import { followCatalog } from '../../../src/router/classify/followCatalog.ts';
import { ManualClock } from '../../fixtures/manualClock.ts';

test('the catalog is read at once and again, and a failure keeps what was known', async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const classifier = new Classifier();
  let functions: readonly Row[] | undefined = [
    { schema: 'app', name: 'total', isVolatile: false, isColumn: false },
  ];
  let asked = 0;
  const told: object[] = [];
  const warn = (fields: object) => told.push(fields);
  const query = async (sql: string) => {
    asked += 1;
    if (functions === undefined) throw new Error('no server is there');
    return { rows: sql.includes('pg_proc') ? functions : [] };
  };
  const done = followCatalog(
    { classifier, query, settings: {}, refreshMs: 1_000, clock, log: { ...silentLog, warn } },
    stop.signal,
  );
  const route = () => classifier.verdictOf('select total(1)').route;

  await clock.slept(1_000);
  expect(route()).toBe('replica');
  const kept = classifier.verdictOf('select total(1)');

  await clock.pass(1_000);
  await clock.slept(1_000);
  expect(asked).toBe(6);
  expect(classifier.verdictOf('select total(1)')).toBe(kept);

  functions = undefined;
  await clock.pass(1_000);
  await clock.slept(1_000);
  expect(route()).toBe('replica');

  expect(told).toEqual([{ reason: 'no server is there' }]);

  functions = [];
  await clock.pass(1_000);
  await clock.slept(1_000);
  expect(route()).toBe('primary');

  stop.abort();
  await done;
});
