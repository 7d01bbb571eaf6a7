// What a real PgBouncer hardly ever does: connections that outlive their host, logins that never end.
import { expect, test } from 'vitest';
import { silentLog } from '../../src/lib/log.ts';
import { reloadPgbouncer } from '../../src/pooler/reloadPgbouncer.ts';

const signal = new AbortController().signal;

/** A console that gives the same answers for ever, on a clock that moves by what is slept. */
async function reload(isMoving: boolean, answers: Readonly<Record<string, readonly object[]>>) {
  const commands: string[] = [];
  let now = 0;
  const clock = {
    now: () => now,
    wallNow: () => new Date(0),
    sleep: async (delayMs: number) => {
      now += delayMs;
    },
  };
  const run = async (command: string) => {
    commands.push(command);
    return (answers[command] ?? []) as readonly Readonly<Record<string, unknown>>[];
  };
  await reloadPgbouncer(isMoving, { console: { run }, clock, log: silentLog }, signal);
  return { commands: commands.filter((command, at) => command !== commands[at - 1]), tookMs: now };
}

test('an idle connection that outlives a change of servers is made anew after 2 s', async () => {
  expect(await reload(true, { 'SHOW SERVERS': [{ id: 1, state: 'idle' }] })).toEqual({
    commands: ['SHOW SERVERS', 'SHOW POOLS', 'RELOAD', 'SHOW SERVERS', 'RECONNECT'],
    tookMs: 2_000,
  });
});

test('a connection in a transaction is left to end it', async () => {
  expect(await reload(true, { 'SHOW SERVERS': [{ id: 1, state: 'active' }] })).toEqual({
    commands: ['SHOW SERVERS', 'SHOW POOLS', 'RELOAD', 'SHOW SERVERS'],
    tookMs: 0,
  });
});

test('logins that never end hold up the change for half a second', async () => {
  expect(await reload(true, { 'SHOW POOLS': [{ sv_login: 1 }] })).toEqual({
    commands: ['SHOW SERVERS', 'SHOW POOLS', 'RELOAD'],
    tookMs: 500,
  });
});

test('a change that moves nothing is one command', async () => {
  expect(await reload(false, { 'SHOW SERVERS': [{ id: 1, state: 'idle' }] })).toEqual({
    commands: ['RELOAD'],
    tookMs: 0,
  });
});
