import { join } from 'node:path';
import { expect, test } from 'vitest';
import { silentLog } from '../../../src/lib/log.ts';
import { CredentialsDirectory } from '../../../src/router/sources/credentialsDirectory.ts';
import { MountedFolder } from '../../fixtures/mountedFolder.ts';

const secret = { username: 'app', password: 'first', database: 'shop', 'ca.crt': 'PEM' };

test('a rotated Secret is seen as a whole, and a look without a change reads nothing', () => {
  using folder = new MountedFolder(secret);
  const directory = new CredentialsDirectory(folder.path, true, silentLog);

  expect(directory.refresh()).toBe(true);
  expect(directory.credentials).toEqual({ username: 'app', password: 'first', database: 'shop', ca: 'PEM' });
  expect(directory.refresh()).toBe(false);
  folder.write({ ...secret, username: 'app_2', password: 'second' });
  expect(directory.refresh()).toBe(true);
  expect(directory.credentials).toEqual({
    username: 'app_2',
    password: 'second',
    database: 'shop',
    ca: 'PEM',
  });
});

test('a swap to the same content keeps the credentials, so that connections stay', () => {
  using folder = new MountedFolder(secret);
  const directory = new CredentialsDirectory(folder.path, true, silentLog);
  directory.refresh();
  const before = directory.credentials;
  folder.write(secret);
  expect(directory.refresh()).toBe(false);
  expect(directory.credentials).toBe(before);
});

test('a line end at the end of a value is not part of it', () => {
  using folder = new MountedFolder({ username: 'app\n', password: ' first \r\n', database: 'shop\n' });
  const directory = new CredentialsDirectory(folder.path, false, silentLog);
  directory.refresh();
  expect(directory.credentials).toEqual({ username: 'app', password: ' first ', database: 'shop' });
});

test.each([
  [
    'lacks the certificate authority',
    { username: 'app', password: 'x', database: 'shop' },
    /no such file.*ca\.crt/,
  ],
  ['lacks the password', { username: 'app', database: 'shop', 'ca.crt': 'PEM' }, /no such file.*password/],
  ['has an empty user name', { ...secret, username: '\n' }, /^username is empty$/],
])(
  'a Secret that %s is refused once, the last good one stays, and no value is logged',
  (_, files, reason) => {
    const lines: string[] = [];
    const log = { ...silentLog, warn: (fields: object) => lines.push(JSON.stringify(fields)) };
    using folder = new MountedFolder(secret);
    const directory = new CredentialsDirectory(folder.path, true, log);
    directory.refresh();

    using other = new MountedFolder(files);
    const fresh = new CredentialsDirectory(other.path, true, log);
    expect([fresh.refresh(), fresh.refresh(), fresh.credentials]).toEqual([false, false, undefined]);
    expect(fresh.problem).toMatch(reason);

    folder.write({ username: 'broken' });
    expect([directory.refresh(), directory.credentials?.username]).toEqual([false, 'app']);
    expect(lines).toHaveLength(2);
    expect(lines.join()).not.toMatch(/first|"x"|PEM/);
  },
);

test('a folder that does not exist is a problem to tell, not an error', () => {
  using folder = new MountedFolder();
  const directory = new CredentialsDirectory(join(folder.path, 'nothing'), true, silentLog);
  expect(directory.refresh()).toBe(false);
  expect(directory.problem).toContain('no such file');
});
