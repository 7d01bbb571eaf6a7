import { expect, test } from 'vitest';
import { ErrorLogReader, maskSecrets } from '../../src/postgres/errorLog.ts';

const prefix = (rest: string, process = 42) => `§1700000000.123|${process}|client backend|${rest}\n`;
const plain = {
  at: '2023-11-14T22:13:20.123Z',
  process: 42,
  backend: 'client backend',
  sqlState: null,
  user: null,
  database: null,
};

function read(...chunks: string[]) {
  const reader = new ErrorLogReader();
  return [...chunks.flatMap((it) => reader.push(it)), ...reader.drain()];
}

test('a report with detail, hint and statement is one record, also when it arrives in pieces', () => {
  const text = [
    prefix('23505|app|orders§ ERROR:  duplicate key value violates unique constraint "a"'),
    prefix('23505|app|orders§ DETAIL:  Key (id)=(1) already exists.'),
    prefix('23505|app|orders§ STATEMENT:  insert into a\n\tvalues (1)'),
    prefix('00000||§ LOG:  checkpoint starting: time', 7),
  ].join('');
  const expected = [
    {
      ...plain,
      severity: 'ERROR',
      message: 'duplicate key value violates unique constraint "a"',
      sqlState: '23505',
      user: 'app',
      database: 'orders',
      detail: 'Key (id)=(1) already exists.',
      statement: 'insert into a\nvalues (1)',
    },
    { ...plain, process: 7, severity: 'LOG', message: 'checkpoint starting: time' },
  ];
  expect(read(text)).toEqual(expected);
  for (let cut = 1; cut < text.length; cut += 17) {
    expect(read(text.slice(0, cut), text.slice(cut))).toEqual(expected);
  }
});

test('a line from before the settings were read keeps its words', () => {
  expect(read('postgres: could not find the database system\n')).toEqual([
    {
      severity: 'LOG',
      message: 'postgres: could not find the database system',
      at: null,
      process: null,
      backend: null,
      sqlState: null,
      user: null,
      database: null,
    },
  ]);
});

test('a detail of another process does not get lost and does not go to the wrong report', () => {
  const [first, second] = read(prefix('40001|a|b§ ERROR:  one', 1), prefix('40001|a|b§ DETAIL:  of two', 2));
  expect(first).not.toHaveProperty('detail');
  expect(second).toMatchObject({ severity: 'DETAIL', message: 'of two', process: 2 });
});

test('a report is cut at 8 kB', () => {
  const [record] = read(prefix(`00000||§ LOG:  ${'x'.repeat(100_000)}`));
  expect(record?.message).toHaveLength(8192);
});

test.each([
  [`alter role app password 'hunter2'`, 'alter role app password ***'],
  [
    `ALTER USER app WITH ENCRYPTED PASSWORD 'it''s hunter2' valid until 'x'`,
    `ALTER USER app WITH ENCRYPTED PASSWORD *** valid until 'x'`,
  ],
  [`create role a password E'hun\\'ter2'`, 'create role a password ***'],
  ['alter role a password $x$hunter2$x$ login', 'alter role a password *** login'],
  [`select dblink('host=a password=hunter2 user=b')`, `select dblink('host=a password=*** user=b')`],
  [`alter role a password 'SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy'`, 'alter role a password ***'],
  ['the hash is md50123456789abcdef0123456789abcdef', 'the hash is ***'],
  [`alter role a password 'hunter2 without an end`, 'alter role a password ***'],
  ['password authentication failed for user "app"', 'password authentication failed for user "app"'],
  [`insert into t values ('x')`, `insert into t values ('x')`],
])('secrets are masked in %s', (text, masked) => {
  expect(maskSecrets(text)).toBe(masked);
});
