import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matchesScramVerifier, scramVerifier } from '../../src/postgres/scramVerifier.ts';

test('the verifier is the one of RFC 7677 for its example password', () => {
  // Password and salt of RFC 7677, section 3; that PostgreSQL takes our verifiers is shown by a login in test/agent.
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
  expect(scramVerifier('pencil', salt)).toBe(
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
  );
});

test('a verifier matches its own password and no other', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (password, salt) => {
        const verifier = scramVerifier(password, Buffer.from(salt), 2);
        expect(matchesScramVerifier(password, verifier)).toBe(true);
        expect(matchesScramVerifier(`${password}x`, verifier)).toBe(false);
      },
    ),
    { numRuns: 50 },
  );
});

test('no verifier, an MD5 hash and nonsense match nothing', () => {
  for (const stored of [null, '', 'md50123456789abcdef0123456789abcdef', 'SCRAM-SHA-256$x']) {
    expect(matchesScramVerifier('x', stored)).toBe(false);
  }
});
