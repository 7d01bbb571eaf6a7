import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatToken,
  maxTokenAgeMs,
  maxTokenLength,
  parseToken,
  parseTokens,
  type TokenContext,
} from '../../../src/router/consistency/consistencyToken.ts';
import { lsn } from '../../fixtures/lagView.ts';
import { seeded } from '../../fixtures/propertySeed.ts';

const keys = ['the key in use', 'the key before'];
const position = { timeline: 5, lsn: lsn(0x16_b374_d848) };
const at = (differences: Partial<TokenContext> = {}): TokenContext => ({
  systemIdentifier: '7421000000000000001',
  wallMs: Date.UTC(2026, 0, 1),
  ...differences,
});
const format = (given: typeof position | 'pending' = position, context = at()) =>
  formatToken(given === 'pending' ? { nonce: 'a-nonce' } : given, keys, context) ?? '';
const token = format();

test('a token names version, topology, time, timeline and position, and is signed', () => {
  expect(token).toMatch(/^3\.[\w-]{11}\.6955b900\.5\/16b374d848\.[\w-]{43}$/);
  expect(format('pending')).toMatch(/^3\.[\w-]{11}\.6955b900\.pending-a-nonce\.[\w-]{43}$/);
  expect(format('pending', at({ systemIdentifier: null }))).toMatch(
    /^3\.\.6955b900\.pending-a-nonce\.[\w-]{43}$/,
  );
  expect(formatToken(position, [], at())).toBeUndefined();
});

test('whatever was signed is read back, also when the key has changed since', () => {
  const anyPosition = fc.record({ timeline: fc.nat(), lsn: fc.bigInt(0n, 2n ** 64n - 1n) });
  fc.assert(
    fc.property(anyPosition, ({ timeline, lsn: end }) => {
      const given = { timeline, lsn: end as typeof position.lsn };
      const text = format(given);
      expect(parseToken(text, keys, at())).toEqual({ kind: 'position', position: given });
      expect(parseToken(text, ['a new key', ...keys], at())).toEqual({ kind: 'position', position: given });
    }),
    seeded(),
  );
  expect(parseToken(format('pending'), keys, at())).toEqual({ kind: 'pending' });
});

test('a token that was changed anywhere is not believed', () => {
  fc.assert(
    fc.property(
      fc.nat(token.length - 1),
      fc.constantFrom('0', '9', 'b', 'X', '-', '_', '.', '/', ','),
      (index, character) => {
        fc.pre(token[index] !== character);
        const changed = token.slice(0, index) + character + token.slice(index + 1);
        expect(parseTokens(changed, keys, at()).every(({ kind }) => kind === 'invalid')).toBe(true);
      },
    ),
    seeded(),
  );
});

test('what is no token of ours is refused with its reason', () => {
  const read = (text: string, given: readonly string[] = keys) => parseToken(text, given, at());
  expect(read('garbage')).toEqual({ kind: 'invalid', reason: 'it is not a token' });
  expect(read(token, ['another key'])).toEqual({ kind: 'invalid', reason: 'its signature is not ours' });
  expect(read(token, [])).toEqual({ kind: 'invalid', reason: 'there is no key to check tokens with' });
  expect(read(token.replace(/^3/, '2'))).toEqual({ kind: 'invalid', reason: 'its version is 2, not 3' });
});

test.each(['pending', position] as const)('a token of %o cannot be sent again for ever', (given) => {
  const readAfter = (ms: number) => parseToken(format(given), keys, at({ wallMs: at().wallMs + ms })).kind;
  const fresh = given === 'pending' ? 'pending' : 'position';
  expect([0, maxTokenAgeMs, -maxTokenAgeMs].map(readAfter)).toEqual([fresh, fresh, fresh]);
  expect([maxTokenAgeMs + 1_000, -maxTokenAgeMs - 1_000].map(readAfter)).toEqual(['invalid', 'invalid']);
});

test('a token of another topology is not for us, and one of a topology that nobody knows asks for what there is', () => {
  const read = (ours: string | null, its: string | null) =>
    parseToken(format(position, at({ systemIdentifier: its })), keys, at({ systemIdentifier: ours })).kind;
  expect([read('1', '1'), read('1', '2'), read(null, '2'), read('1', null)]).toEqual([
    'position',
    'foreign',
    'pending',
    'pending',
  ]);
});

test('several tokens are read one by one, and no text is too long to be refused', () => {
  expect(parseTokens(`${token}, ${token},x`, keys, at()).map(({ kind }) => kind)).toEqual([
    'position',
    'position',
    'invalid',
  ]);
  expect(parseTokens('x'.repeat(maxTokenLength + 1), keys, at())).toEqual([
    { kind: 'invalid', reason: `it is longer than ${maxTokenLength} characters`, text: '' },
  ]);
  const parseAny = fc.property(fc.string(), (text) => void parseTokens(text, keys, at()));
  expect(() => fc.assert(parseAny, seeded())).not.toThrow();
});
