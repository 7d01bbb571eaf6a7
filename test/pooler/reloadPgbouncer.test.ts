// What a real PgBouncer hardly ever does: connections that outlive their host, logins that never end.
import { expect, test } from 'vitest';
import { silentLog } from '../../src/lib/log.ts';
import { type FormerConnections, reloadPgbouncer } from '../../src/pooler/reloadPgbouncer.ts';

const signal = new AbortController().signal;

/** A console that gives the same answers for ever, on a clock that moves by what is slept. */
async function reload(former: FormerConnections, answers: Readonly<Record<string, readonly object[]>>) {
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
  await reloadPgbouncer(former, { console: { run }, clock, log: silentLog }, signal);
  return { commands: commands.filter((command, at) => command !== commands[at - 1]), tookMs: now };
}

test('an idle connection that outlives a change of servers is made anew after 2 s', async () => {
  expect(await reload('finish', { 'SHOW SERVERS': [{ id: 1, state: 'idle' }] })).toEqual({
    commands: ['SHOW SERVERS', 'SHOW POOLS', 'RELOAD', 'SHOW SERVERS', 'RECONNECT'],
    tookMs: 2_000,
  });
});

test('a connection in a transaction is left to end it', async () => {
  expect(await reload('finish', { 'SHOW SERVERS': [{ id: 1, state: 'active' }] })).toEqual({
    commands: ['SHOW SERVERS', 'SHOW POOLS', 'RELOAD', 'SHOW SERVERS'],
    tookMs: 0,
  });
});

test('logins that never end hold up the change for half a second', async () => {
  expect(await reload('finish', { 'SHOW POOLS': [{ sv_login: 1 }] })).toEqual({
    commands: ['SHOW SERVERS', 'SHOW POOLS', 'RELOAD'],
    tookMs: 500,
  });
});

test('a change that moves nothing is one command', async () => {
  expect(await reload('none', { 'SHOW SERVERS': [{ id: 1, state: 'idle' }] })).toEqual({
    commands: ['RELOAD'],
    tookMs: 0,
  });
});

test('a client in the middle of a transaction on the former primary is disconnected, and no other', async () => {
  const answers = {
    'SHOW SERVERS': [
      { id: 1, state: 'active', link: '0xa' },
      { id: 2, state: 'idle', link: '' },
    ],
    'SHOW CLIENTS': [
      { id: 7, ptr: '0xa' },
      { id: 8, ptr: '0xb' },
    ],
  };
  const { commands } = await reload('drop', answers);
  expect(commands.filter((command) => command.startsWith('KILL'))).toEqual(['KILL_CLIENT 7']);
  expect((await reload('finish', answers)).commands.join()).not.toContain('KILL');
});
