import { expect, test } from 'vitest';
import { withoutPasswords } from '../../src/service/withoutPasswords.ts';

test.each([
  ['postgres://app:hunter2@h:5432/db is down', 'postgres://app:***@h:5432/db is down'],
  ['postgres://app:pa/ss@h:5432/db', 'postgres://app:***@h:5432/db'],
  ['postgres://app:p@ss@h/db', 'postgres://app:***@h/db'],
  ['postgres://app:p:/@ss@h/db and //b:x/y@h', 'postgres://app:***@h/db and //b:***@h'],
  ['https://a-token@h/api', 'https://***@h/api'],
  [`host=h password='it\\'s mine' user=app`, 'host=h password=*** user=app'],
  ['sslpassword=hunter2 host=h', 'sslpassword=*** host=h'],
  ['postgres://h:5432/db, connect ECONNREFUSED 10.0.0.3:5432', null],
  ['file /etc/replica-manager/endpoints.json, ask admin@example.org', null],
])('%s', (text, masked) => {
  expect(withoutPasswords(text)).toBe(masked ?? text);
});
